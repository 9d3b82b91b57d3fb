"""Running the handler of an accepted connection, and what becomes of its errors (contracts S2, X4)."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from .._net.addresses import describe_address

if TYPE_CHECKING:
    from .._asyncio.protocol import StreamReaderProtocol
    from .._asyncio.reader import StreamReader
    from .._asyncio.writer import StreamWriter

_running: dict[asyncio.AbstractEventLoop, set[asyncio.Future[Any]]] = {}


def start_handler(
    protocol: StreamReaderProtocol, reader: StreamReader, writer: StreamWriter
) -> asyncio.Future[Any] | None:
    """Call the handler of ``protocol``; the task that runs it, where it is not done already.

    A plain function has run when this returns. A coroutine gets a task of its own, named for the peer. Any other
    awaitable, a task of the handler's making too, is waited for in the same way.
    """
    callback = protocol._client_connected_cb
    assert callback is not None
    try:
        task = _started(callback(reader, writer), writer)
    except asyncio.CancelledError:
        protocol._ps_connection.close()
        return None
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own affair, and reported
        _report(protocol, error)
        return None
    except BaseException:
        protocol._ps_connection.close()
        raise
    if task is None:
        return None
    # A running task that nobody refers to may be collected: a server keeps those of its connections.
    owner = protocol._ps_connection.owner
    if owner is not None:
        owner.handler_started(task)
    else:
        _keep(task, protocol._loop)
    task.add_done_callback(protocol._ps_handler_done)
    return task


def _started(result: Any, writer: StreamWriter) -> asyncio.Future[Any] | None:
    """The task of what a handler returned; None where that is nothing to wait for."""
    loop = writer._loop
    if asyncio.iscoroutine(result):
        coroutine = result
    elif asyncio.isfuture(result):
        # Says so where it is another loop's.
        future: asyncio.Future[Any] = asyncio.ensure_future(result, loop=loop)
        return future
    elif inspect.isawaitable(result):
        coroutine = _awaiting(result)
    else:
        return None
    peer = describe_address(writer.transport.get_extra_info("peername"))
    task: asyncio.Future[Any] = loop.create_task(coroutine, name=f"sluiceway handler of {peer}")
    return task


def _keep(task: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    """For connections that no server owns. The tasks of a closed loop will never be done."""
    if loop not in _running:
        for other in [other for other in _running if other.is_closed()]:
            del _running[other]
        _running[loop] = set()
    _running[loop].add(task)
    task.add_done_callback(functools.partial(_let_go, loop))


def _let_go(loop: asyncio.AbstractEventLoop, task: asyncio.Future[Any]) -> None:
    tasks = _running[loop]
    tasks.discard(task)
    if not tasks:
        del _running[loop]


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def finish_handler(protocol: StreamReaderProtocol, task: asyncio.Future[Any]) -> None:
    """The handler of ``protocol`` is done: tell its owner, and what it ended with."""
    owner = protocol._ps_connection.owner
    if owner is not None:
        owner.handler_ended(task)
    if task.cancelled():
        protocol._ps_connection.close()
        return
    error = task.exception()
    if error is not None:
        _report(protocol, error)


def _report(protocol: StreamReaderProtocol, error: BaseException) -> None:
    connection = protocol._ps_connection
    if not _is_own_loss(protocol, error):
        protocol._loop.call_exception_handler(
            {
                "message": "Unhandled exception in client_connected_cb",
                "exception": error,
                "transport": connection.transport,
                "protocol": protocol,
                "connection": connection.describe(),
            }
        )
    connection.close()


def _is_own_loss(protocol: StreamReaderProtocol, error: BaseException) -> bool:
    """Whether ``error`` is nothing but the loss of this very connection, as its reader or writer told it."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_own_loss(protocol, one) for one in error.exceptions)
    return error is protocol._ps_connection.error or getattr(error, "_sluiceway_mark", None) is protocol._ps_error_mark
