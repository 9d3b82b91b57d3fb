"""stream_handler(): a handler of start_server that gets a Stream."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from .._asyncio.reader import StreamReader
from .._asyncio.writer import StreamWriter
from .._errors import add_note_to_call
from .._implementation import core
from .stream import Stream

_PARAMETERS = (
    "stream_handler() calls the handler with one argument, a Stream; pass a handler with two parameters, reader and "
    "writer, to start_server() without stream_handler()"
)


def stream_handler(
    handle: Callable[[Stream], Awaitable[object]], *, idle_timeout: float | None = None
) -> Callable[[StreamReader, StreamWriter], Coroutine[Any, Any, None]]:
    """Return a handler for ``start_server`` that calls ``handle`` with a Stream for each connection.

    ``server = await sluiceway.start_server(sluiceway.stream_handler(handle), host, port)``; the function is also a
    decorator of functions. For a method, pass ``stream_handler(self.method)``. The stream is closed when ``handle``
    returns or raises. If another task closes the stream, ``async for`` over its lines, records or frames and later
    reads raise ConnectionError. If ``handle`` ends with this error, the server does not report it.

    Args:
        handle (coroutine function): called with the Stream of each accepted connection. Another callable that returns
            an awaitable is accepted too. If the result is not awaitable, as that of a plain function, the connection is
            closed, and a TypeError passed to the loop's exception handler.
        idle_timeout (float or None): the seconds after which an idle connection is aborted; see
            ``Stream.idle_timeout``, which ``handle`` may change. None means that the time is not limited.

    Returns:
        A coroutine function of a reader and a writer, with the name of ``handle``.

    Raises:
        TypeError: ``handle`` is not callable, or ``idle_timeout`` is not a number.
        ValueError: ``idle_timeout`` is not greater than 0.
    """
    if not callable(handle):
        raise TypeError(
            f"stream_handler(): handle must be a callable that returns an awaitable, not {type(handle).__name__!r}"
        )
    if idle_timeout is not None:
        core.as_seconds(idle_timeout, "stream_handler(): idle_timeout")

    @functools.wraps(handle, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    async def handle_pair(reader: StreamReader, writer: StreamWriter) -> None:
        async with Stream.from_pair(reader, writer, idle_timeout=idle_timeout) as stream:
            try:
                result: object = handle(stream)
            except TypeError as error:
                add_note_to_call(error, _PARAMETERS)
                raise
            if not inspect.isawaitable(result):
                without = " without 'yield'" if inspect.isasyncgen(result) else ""
                raise TypeError(
                    f"stream_handler(): {handle!r} must be an 'async def' function{without}; it returned {result!r}"
                )
            await result

    return handle_pair
