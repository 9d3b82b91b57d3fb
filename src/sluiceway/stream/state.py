"""StreamState: what a program can ask a Stream about its connection."""

from __future__ import annotations

from typing import Any

from .connect_error import ConnectTimings
from .halves import StreamHalves


class StreamState(StreamHalves):
    """The properties of Stream that describe its connection. They stay readable after the stream is closed."""

    __slots__ = ()

    @property
    def peer(self) -> Any:
        """The address of the peer, as ``writer.get_extra_info("peername")`` returns it."""
        return self.writer.get_extra_info("peername")

    @property
    def local(self) -> Any:
        """The own address, as ``writer.get_extra_info("sockname")`` returns it."""
        return self.writer.get_extra_info("sockname")

    @property
    def timings(self) -> ConnectTimings | None:
        """How long the parts of ``sluiceway.connect()`` took, which opened this stream; None for another stream."""
        return self._timings
