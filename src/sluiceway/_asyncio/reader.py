"""The public StreamReader: the core's read operations under asyncio's name."""

from __future__ import annotations

import asyncio
import sys
import traceback
from types import FrameType
from typing import TYPE_CHECKING

from .._constants import DEFAULT_LIMIT
from .._implementation import IMPLEMENTATION, core
from .instance_check import InstanceCheck

if TYPE_CHECKING:
    from .._core import ReadOperations
else:
    ReadOperations = core.ReadOperations


_STACK_DEPTH = 10
_PACKAGE = __name__.partition(".")[0]


def creation_stack(loop: asyncio.AbstractEventLoop) -> traceback.StackSummary | None:
    """Where the program called sluiceway, innermost last, in debug mode; it is too slow for any other."""
    if not loop.get_debug():
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=_STACK_DEPTH, lookup_lines=False)
    stack.reverse()
    return stack


class StreamReader(ReadOperations, asyncio.StreamReader, metaclass=InstanceCheck):  # type: ignore[misc] # exception(): typeshed
    """Reads bytes, lines and records that a peer sent; made by ``open_connection`` and ``start_server``.

    Args:
        limit: bytes, an int above 0, ``math.inf`` or None for the default of 64 KiB. The longest line or record, and
            half of what is buffered before reading from the peer pauses.
        loop: the event loop to wait on, running or not; None takes the current one as the running interpreter's own
            StreamReader does.

    Raises:
        ValueError: the limit is not above zero.
        TypeError: the limit is no number.

    One read waits at a time. A read that is cancelled or timed out has taken nothing: the next one sees every byte in
    order. Every read raises RuntimeError at once where another task's read is waiting, and names that task; the
    exception given to ``set_exception`` at once; and the error that the connection was lost with once the bytes that
    arrived before it cannot answer the read. They stay readable by ``read(n)``.

    Source: https://docs.python.org/3/library/asyncio-stream.html
    """

    _source_traceback: traceback.StackSummary | None = None

    def __init__(self, limit: float | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        checked = core.as_limit(limit)
        if loop is None:
            loop = asyncio.get_event_loop()
        ReadOperations.__init__(self, checked, loop, _intercepts(type(self)))
        if loop.get_debug():
            self._source_traceback = creation_stack(loop)

    def __repr__(self) -> str:
        receiver = self._sluiceway
        info = ["StreamReader"]
        if receiver.buffer.size():
            info.append(f"{receiver.buffer.size()} bytes")
        if self._eof:
            info.append("eof")
        if self._limit != DEFAULT_LIMIT:
            info.append(f"limit={self._limit}")
        if self._waiter:
            info.append(f"waiter={self._waiter!r}")
        if self._exception:
            info.append(f"exception={self._exception!r}")
        if self._transport:
            info.append(f"transport={self._transport!r}")
        if self._paused:
            info.append("paused")
        return f"<{' '.join(info)}>"


# Methods that the transports and the compiled reads do not call unless a program has replaced one of them.
_INTERCEPTED = ("feed_data", "readuntil", "_wait_for_data")


def _intercepts(cls: type[StreamReader]) -> bool:
    # The pure core looks at the object each time, so it needs no __setattr__, which would cost it more.
    return (
        IMPLEMENTATION == "pure"
        or cls.feed_data is not ReadOperations.feed_data
        or cls.readuntil is not ReadOperations.readuntil
        or cls._wait_for_data is not ReadOperations._wait_for_data
    )


if IMPLEMENTATION == "compiled":

    def _watch_interception(self: StreamReader, name: str, value: object) -> None:
        if name in _INTERCEPTED:
            self._sluiceway.intercepted = True
        object.__setattr__(self, name, value)

    StreamReader.__setattr__ = _watch_interception  # type: ignore[method-assign,assignment]
