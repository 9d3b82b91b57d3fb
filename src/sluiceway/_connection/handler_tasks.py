"""Run the handler of an accepted connection, keep its task, report its exception and close (contracts S2, X4)."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from .._net.addresses import describe_address
from .._transports.named_task import create_named_task
from .connection import Connection

_running: dict[asyncio.AbstractEventLoop, set[asyncio.Future[Any]]] = {}


def start_handler(
    connection: Connection,
    protocol: Any,
    handler: Callable[[Any, Any], Any],
    reader: Any,
    writer: Any,
) -> asyncio.Future[Any] | None:
    """Call ``handler(reader, writer)`` for a connection made by ``protocol``.

    Returns the task that runs it, or None where it has ended already.

    A plain function has run when this returns. A coroutine runs as a task named for the peer. Any other awaitable, a
    task of the handler's making too, is waited for in the same way.
    """
    try:
        task = _start(handler(reader, writer), connection)
    except asyncio.CancelledError:
        connection.close()
        return None
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is reported
        _report(connection, protocol, error)
        return None
    except BaseException:
        connection.close()
        raise
    if task is None:
        return None
    # The collector may free a running task that nothing refers to: a server keeps those of its connections.
    owner = connection.owner
    if owner is not None:
        owner.handler_started(task)
    else:
        _keep(task, connection.loop)
    task.add_done_callback(functools.partial(_ended, connection, protocol))
    return task


def _start(result: Any, connection: Connection) -> asyncio.Future[Any] | None:
    """The task of what a handler returned; None where that is nothing to wait for."""
    loop = connection.loop
    if asyncio.iscoroutine(result):
        coroutine = result
    elif asyncio.isfuture(result):
        # Raises where the future is another loop's.
        future: asyncio.Future[Any] = asyncio.ensure_future(result, loop=loop)
        return future
    elif inspect.isawaitable(result):
        coroutine = _await(result)
    else:
        return None
    peer = describe_address(connection.get_extra_info("peername"))
    return create_named_task(loop, coroutine, f"sluiceway handler of {peer}")


def _keep(task: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Keep the task of a connection that has no server. The tasks of a closed loop never end."""
    if loop not in _running:
        # Loops in other threads change the dict meanwhile. Each use of it is one call in C, which is atomic.
        for other in list(_running):
            if other.is_closed():
                _running.pop(other, None)
        _running[loop] = set()
    _running[loop].add(task)
    task.add_done_callback(functools.partial(_forget, loop))


def _forget(loop: asyncio.AbstractEventLoop, task: asyncio.Future[Any]) -> None:
    tasks = _running[loop]
    tasks.discard(task)
    if not tasks:
        _running.pop(loop, None)


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _ended(connection: Connection, protocol: Any, task: asyncio.Future[Any]) -> None:
    protocol._task = None
    owner = connection.owner
    if owner is not None:
        owner.handler_ended(task)
    if task.cancelled():
        connection.close()
        return
    error = task.exception()
    if error is not None:
        _report(connection, protocol, error)


def _report(connection: Connection, protocol: Any, error: BaseException) -> None:
    """Report the exception of a handler, once, and close its connection."""
    if not _is_own_loss(connection, error):
        connection.loop.call_exception_handler(
            {
                "message": "Unhandled exception in client_connected_cb",
                "exception": error,
                "transport": connection.transport,
                "protocol": protocol,
                "connection": connection.describe(),
            }
        )
    connection.close()


def _is_own_loss(connection: Connection, error: BaseException) -> bool:
    """Whether ``error`` is nothing but the loss of this connection, as its reader or writer raised it."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_own_loss(connection, one) for one in error.exceptions)
    return error is connection.error or connection.flow.raised(error)
