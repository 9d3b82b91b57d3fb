"""Stream: one object for a connection. Its methods are in the files of the parts that it is composed of."""

from __future__ import annotations

from .close_methods import StreamClosing
from .frame_methods import StreamFraming
from .read_methods import StreamReading
from .state import StreamState


class Stream(StreamReading, StreamFraming, StreamClosing, StreamState):
    """A connection: reads, sends and closes in one object. ``Stream.from_pair(reader, writer)`` makes one."""

    __slots__ = ()

    def __repr__(self) -> str:
        halves = [f"{name}={half!r}" for name, half in (("reader", self._reader), ("writer", self._writer)) if half]
        return f"<{type(self).__name__} {' '.join(halves)}>"
