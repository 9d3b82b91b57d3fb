"""stream_handler(): a handler of start_server that gets a Stream."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from .._asyncio.reader import StreamReader
from .._asyncio.writer import StreamWriter
from .stream import Stream


def stream_handler(
    handle: Callable[[Stream], Awaitable[object]],
) -> Callable[[StreamReader, StreamWriter], Coroutine[Any, Any, None]]:
    """Return a handler for ``start_server`` that calls ``handle`` with a Stream for each connection.

    ``server = await sluiceway.start_server(sluiceway.stream_handler(handle), host, port)``; the function is also a
    decorator. The stream is closed when ``handle`` returns or raises.

    Args:
        handle (coroutine function): called with the Stream of each accepted connection. Another callable that returns
            an awaitable is accepted too.

    Returns:
        A coroutine function of a reader and a writer, with the name of ``handle``.

    Raises:
        TypeError: ``handle`` is not callable.
    """
    if not callable(handle):
        raise TypeError(f"stream_handler(): handle must be a coroutine function, not {type(handle).__name__!r}")

    @functools.wraps(handle, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    async def handle_pair(reader: StreamReader, writer: StreamWriter) -> None:
        async with Stream(reader, writer) as stream:
            await handle(stream)

    return handle_pair
