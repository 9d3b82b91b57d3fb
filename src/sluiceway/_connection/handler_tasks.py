"""Start the handler of a connection, hold a reference to its task, and report its exception (contracts S2, X4)."""

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
    """Call ``handler(reader, writer)`` for the connection of ``protocol``.

    Returns the task of the handler, or None if the handler has ended already. A plain function ends within this call.
    A coroutine runs as a task, whose name contains the address of the peer. Another awaitable is wrapped in such a
    task, and a future or task that the handler returns is used as it is.
    """
    try:
        task = _start(handler(reader, writer), connection)
    except asyncio.CancelledError:
        connection.close()
        return None
    except Exception as error:  # noqa: BLE001 - every exception of a handler is reported
        _report(connection, protocol, error)
        return None
    except BaseException:
        connection.close()
        raise
    if task is None:
        return None
    # The event loop holds only weak references to tasks, so the owner or _keep() must hold a strong one.
    owner = connection.owner
    if owner is not None:
        owner.handler_started(task)
    else:
        _keep(task, connection.loop)
    task.add_done_callback(functools.partial(_ended, connection, protocol))
    return task


def _start(result: Any, connection: Connection) -> asyncio.Future[Any] | None:
    """Return a task for the result of a handler, or None if the result is not awaitable."""
    loop = connection.loop
    if asyncio.iscoroutine(result):
        coroutine = result
    elif asyncio.isfuture(result):
        # Raises ValueError for a future of another loop.
        future: asyncio.Future[Any] = asyncio.ensure_future(result, loop=loop)
        return future
    elif inspect.isawaitable(result):
        coroutine = _await(result)
    else:
        return None
    peer = describe_address(connection.get_extra_info("peername"))
    return create_named_task(loop, coroutine, f"sluiceway handler of {peer}")


def _keep(task: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Hold a reference to the task of a connection that has no server. Drops the tasks of closed loops."""
    if loop not in _running:
        # Loops in other threads may change the dict. Each use of it is a single call in C, which is atomic.
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
    """Return True if ``error`` only reports the loss of this connection, raised by its reader or writer."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_own_loss(connection, one) for one in error.exceptions)
    return error is connection.error or connection.flow.raised(error)
