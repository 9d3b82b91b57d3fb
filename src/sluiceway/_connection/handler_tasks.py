"""Call the handler of an accepted connection (client_connected_cb), refer to its task, and report its exception."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any

from .._errors import add_note_to_call
from .._net.addresses import describe_address
from .._transports.named_task import create_named_task
from .connection import Connection

_PARAMETERS = (
    "client_connected_cb is called with two arguments, reader and writer; wrap a handler with one parameter, a Stream, "
    "in sluiceway.stream_handler(); for a method, pass stream_handler(self.method) in place of a decorator"
)

_running: dict[asyncio.AbstractEventLoop, set[asyncio.Future[Any]]] = {}


def start_handler(
    connection: Connection,
    protocol: Any,
    handler: Callable[[Any, Any], Any],
    reader: Any,
    writer: Any,
) -> asyncio.Future[Any] | None:
    """Call ``handler(reader, writer)``, and return its task, or None if the call raises or returns no awaitable.

    If the handler returns a coroutine or another awaitable, a new task runs the awaitable; the name of the task
    contains the address of the peer. A future or task that the handler returns is returned as it is. An exception of
    the call or the task is reported, unless it is the loss of ``connection``, and closes ``connection``. A
    CancelledError only closes it. KeyboardInterrupt and SystemExit of the call close it, and are raised. If the
    parameters of ``handler`` do not fit the call, a note of the TypeError names the arguments.
    """
    try:
        task = _start(handler(reader, writer), connection)
    except asyncio.CancelledError:
        connection.close()
        return None
    except Exception as error:  # noqa: BLE001 - every exception of a handler is reported
        if isinstance(error, TypeError):
            add_note_to_call(error, _PARAMETERS)
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
    # A bound method takes less memory than a partial function.
    task.add_done_callback(protocol._sluiceway_handler_ended)
    return task


def _start(result: Any, connection: Connection) -> asyncio.Future[Any] | None:
    """Return the task that runs ``result``, which a handler has returned; None if ``result`` is not awaitable.

    If ``result`` is a future, return it. Raise ValueError for a future of another loop.
    """
    loop = connection.loop
    if type(result) is CoroutineType or asyncio.iscoroutine(result):
        coroutine = result
    elif asyncio.isfuture(result):
        future: asyncio.Future[Any] = asyncio.ensure_future(result, loop=loop)
        return future
    elif inspect.isawaitable(result):
        coroutine = _await(result)
    else:
        return None
    owner = connection.owner
    peer = connection.get_extra_info("peername") if owner is None else owner.address
    return create_named_task(loop, coroutine, f"sluiceway handler of {describe_address(peer)}")


def _keep(task: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Refer to ``task``, the handler of a connection without a server, until it ends. Drop tasks of closed loops."""
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


def handler_ended(connection: Connection, protocol: Any, task: asyncio.Future[Any]) -> None:
    """Called when ``task``, which runs a handler, has ended. Close the connection if the task was cancelled or failed.

    An exception is reported first, unless it is the loss of ``connection``.
    """
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
    """Pass ``error`` to the loop's exception handler unless it is this connection's loss. Close the connection."""
    try:
        if not _is_own_loss(connection, error):
            connection.share_transport()
            connection.loop.call_exception_handler(
                {
                    "message": "Unhandled exception in client_connected_cb",
                    "exception": error,
                    "transport": connection.transport,
                    "protocol": protocol,
                    "connection": connection.describe(),
                }
            )
    finally:
        # Even if the exception handler raises SystemExit.
        connection.close()


def _is_own_loss(connection: Connection, error: BaseException) -> bool:
    """Return True if ``error``, or each error of a group, was raised because this connection was lost or closed.

    Such an error is the one that ended the connection, or has the mark of ``connection.flow``.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(_is_own_loss(connection, one) for one in error.exceptions)
    return error is connection.error or connection.flow.raised(error)
