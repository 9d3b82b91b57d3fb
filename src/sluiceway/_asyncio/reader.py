"""The public StreamReader: the core's reader under asyncio's names, documented."""

from __future__ import annotations

import asyncio
import sys
import traceback
from types import FrameType
from typing import TYPE_CHECKING

from .._constants import DEFAULT_LIMIT
from .._implementation import IMPLEMENTATION, core
from .instance_check import StandIn

if TYPE_CHECKING:
    from .._core import ReaderCore
else:
    ReaderCore = core.ReaderCore


_STACK_DEPTH = 10
_OURS = __name__.partition(".")[0]


def creation_stack(loop: asyncio.AbstractEventLoop) -> traceback.StackSummary | None:
    """Where the program called sluiceway, innermost last, in debug mode; collecting it is too slow for any other."""
    if not loop.get_debug():
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OURS:
        frame = frame.f_back
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=_STACK_DEPTH, lookup_lines=False)
    stack.reverse()
    return stack


class StreamReader(ReaderCore, asyncio.StreamReader, metaclass=StandIn):  # type: ignore[misc] # exception(): typeshed
    """Reads bytes, lines and records that a peer sent; made by ``open_connection`` and ``start_server``.

    Args:
        limit: bytes, an int above 0, ``math.inf`` or None for the default of 64 KiB. The longest line or record, and
            half of what is held unread before the peer is made to wait.
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
        ReaderCore.__init__(self, checked, loop, _intercepts(type(self)))
        if loop.get_debug():
            self._source_traceback = creation_stack(loop)

    def __repr__(self) -> str:
        info = ["StreamReader"]
        if self._ps_unread.held():
            info.append(f"{self._ps_unread.held()} bytes")
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

    @property
    def _buffer(self) -> bytearray:
        unread = self._ps_unread
        if not isinstance(unread, core.LiveBuffer):
            unread = self._ps_unread = core.LiveBuffer(bytearray(unread.take_all()))
        return unread.data

    @_buffer.setter
    def _buffer(self, value: bytearray | bytes) -> None:
        self._ps_unread = core.LiveBuffer(value if isinstance(value, bytearray) else bytearray(value))


# What transports and reads of the compiled core would pass by where somebody has put something else in its place.
_INTERCEPTED = ("feed_data", "readuntil", "_wait_for_data")


def _intercepts(cls: type[StreamReader]) -> bool:
    # The pure core looks for itself; so it sees what is put on an object without a __setattr__, which costs it more.
    return (
        IMPLEMENTATION == "pure"
        or cls.feed_data is not ReaderCore.feed_data
        or cls.readuntil is not ReaderCore.readuntil
        or cls._wait_for_data is not ReaderCore._wait_for_data
    )


if IMPLEMENTATION == "compiled":

    def _watch_interception(self: StreamReader, name: str, value: object) -> None:
        if name in _INTERCEPTED:
            self._ps_intercepted = True
        object.__setattr__(self, name, value)

    StreamReader.__setattr__ = _watch_interception  # type: ignore[method-assign,assignment]
