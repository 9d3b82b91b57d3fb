"""Running the handler of an accepted connection, and what becomes of its errors (contracts S2, X4)."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from .peers import describe_address

if TYPE_CHECKING:
    from .protocol import StreamReaderProtocol
    from .reader import StreamReader
    from .writer import StreamWriter

_running: set[asyncio.Future[Any]] = set()


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
        result = callback(reader, writer)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own affair, and reported
        _report(protocol, error)
        return None
    except BaseException:
        protocol._connection.close()
        raise
    if not inspect.isawaitable(result):
        return None
    task: asyncio.Future[Any]
    loop = protocol._loop
    if asyncio.iscoroutine(result):
        peer = describe_address(writer.get_extra_info("peername"))
        task = loop.create_task(result, name=f"penstock handler of {peer}")
    else:
        task = asyncio.ensure_future(result, loop=loop)
    # A running task that nobody refers to may be collected; the server keeps those of its own as well, to count them.
    _running.add(task)
    owner = protocol._connection.owner
    if owner is not None:
        owner.handler_started(task)
    task.add_done_callback(lambda done: _finished(protocol, done))
    return task


def _finished(protocol: StreamReaderProtocol, task: asyncio.Future[Any]) -> None:
    _running.discard(task)
    protocol._task = None
    if task.cancelled():
        protocol._connection.close()
        return
    error = task.exception()
    if error is not None:
        _report(protocol, error)


def _report(protocol: StreamReaderProtocol, error: BaseException) -> None:
    connection = protocol._connection
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
    if not isinstance(error, ConnectionError):
        return False
    return error is protocol._connection.error or getattr(error, "_penstock_mark", None) is protocol._error_mark
