"""The public StreamReader: the read methods of the core, with asyncio's constructor and repr."""

from __future__ import annotations

import asyncio
import sys
import traceback
from types import FrameType
from typing import TYPE_CHECKING, Any

from .._constants import DEFAULT_LIMIT
from .._implementation import core
from .instance_check import InstanceCheck

if TYPE_CHECKING:
    from .._core import ReadOperations
else:
    ReadOperations = core.ReadOperations


_STACK_DEPTH = 10
_PACKAGE = __name__.partition(".")[0]


def creation_stack(loop: asyncio.AbstractEventLoop) -> traceback.StackSummary | None:
    """Return the stack of the program's call into sluiceway, innermost frame last. Return None outside debug mode.

    The stack has at most _STACK_DEPTH frames.
    """
    if not loop.get_debug():
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=_STACK_DEPTH, lookup_lines=False)
    stack.reverse()
    return stack


class StreamReader(ReadOperations, asyncio.StreamReader, metaclass=InstanceCheck):  # type: ignore[misc] # exception(): typeshed
    """Reads bytes, lines and records from a connection. ``open_connection`` and ``start_server`` create readers.

    ``async for line in reader`` reads lines as ``readline()`` does, until end of file.

    Only one read can wait at a time. A read that is cancelled or times out consumes no data: the next read returns the
    same bytes. Every read method raises:

    - RuntimeError immediately, if a read of another task is waiting. The message names that task. Only ``read(0)`` and
      ``readexactly(0)`` return ``b""`` then.
    - The exception passed to ``set_exception()``, immediately, even if bytes are buffered.
    - The error of a lost connection, if the bytes received before the loss do not complete the read. ``read(n)`` still
      returns these bytes. A loss after end of file changes no read.

    Args:
        limit (int, math.inf or None): the greatest length of a line or record in bytes, without its separator. It must
            be greater than 0. The transport is paused when more than twice as many bytes are buffered, and resumed
            when a read leaves at most ``limit`` bytes, or has to wait. None means 64 KiB, ``math.inf`` no limit.
        loop (asyncio.AbstractEventLoop or None): the event loop of the reader, running or not. None means
            ``asyncio.get_event_loop()``.

    Raises:
        ValueError: ``limit`` is not greater than 0, or not a whole number.
        TypeError: ``limit`` is not a number.

    Source: https://docs.python.org/3/library/asyncio-stream.html
    """

    _source_traceback: traceback.StackSummary | None = None

    def __init__(self, limit: float | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        checked = core.as_limit(limit)
        if loop is None:
            loop = asyncio.get_event_loop()
        ReadOperations.__init__(self, checked, loop, _intercepts(self))
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
        if receiver.transport:
            info.append(f"transport={receiver.transport!r}")
        if self._paused:
            info.append("paused")
        return f"<{' '.join(info)}>"


# The transports and the reads bypass these methods unless a program has replaced one of them.
_INTERCEPTED = ("feed_data", "readuntil", "_wait_for_data")


def _intercepts(reader: StreamReader) -> bool:
    cls = type(reader)
    return (
        cls.feed_data is not ReadOperations.feed_data
        or cls.readuntil is not ReadOperations.readuntil
        or cls._wait_for_data is not ReadOperations._wait_for_data
        # A subclass may have assigned a method before it calls __init__().
        or (cls is not StreamReader and not vars(reader).keys().isdisjoint(_INTERCEPTED))
    )


def _started(reader: StreamReader) -> bool:
    """Return True after ``__init__`` of ``reader``."""
    try:
        return reader._sluiceway is not None
    except AttributeError:
        # The pure core; the attribute is None in the compiled one.
        return False


def _watch_assignment(self: StreamReader, name: str, value: object) -> None:
    if name in _INTERCEPTED and _started(self):
        self._sluiceway.intercepted = True
    try:
        object.__setattr__(self, name, value)
    except AttributeError:
        if _started(self):
            raise
        # Some classes assign private attributes of asyncio before the call of __init__(), or instead of it. As there,
        # that needs no loop: then _loop is None until it is assigned.
        loop: Any = asyncio._get_running_loop()
        ReadOperations.__init__(self, DEFAULT_LIMIT, loop, _intercepts(self))
        object.__setattr__(self, name, value)


StreamReader.__setattr__ = _watch_assignment  # type: ignore[method-assign,assignment]
