"""Flow control of the reading side: how much may be buffered, and when the transport is paused (contract R3)."""

from __future__ import annotations

from typing import Any

from .._constants import MINIMUM_RECEIVE
from .chunk_buffer import ChunkBuffer

# A C integer in the compiled build.
_MINIMUM_RECEIVE = MINIMUM_RECEIVE


class ReadFlowControl:
    """Pauses ``transport`` while more than 2 x ``limit`` bytes are buffered, and resumes it at ``limit``.

    ``paused``: True while the transport is paused. The argument ``target_size`` of the methods is the number of bytes
    that the waiting read needs. The bound is raised by this number.
    """

    __slots__ = ("limit", "paused", "transport")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.transport: Any = None
        self.paused = False

    def room(self, size: int, target_size: int) -> int:
        """Return how many bytes may be received while ``size`` bytes are buffered."""
        room = 2 * self.limit + target_size - size
        return room if room > _MINIMUM_RECEIVE else _MINIMUM_RECEIVE  # noqa: FURB136 - called for each receive

    def pause_if_high(self, buffer: ChunkBuffer, target_size: int) -> None:
        """Free the memory of bytes that were read, then pause the transport if the buffer still exceeds the bound."""
        buffer.compact()
        held = buffer.size() + buffer.excess()
        if self.transport is None or self.paused or held <= 2 * self.limit + target_size:
            return
        try:
            self.transport.pause_reading()
        except NotImplementedError:
            # A transport without pause_reading() cannot be paused; the data stays in the buffer.
            self.transport = None
        else:
            self.paused = True

    def resume_if_low(self, size: int) -> None:
        """Resume a paused transport if at most the limit is buffered."""
        if self.paused and size <= self.limit:
            self.resume()

    def resume(self) -> None:
        """Resume a paused transport."""
        if self.paused:
            self.paused = False
            try:
                self.transport.resume_reading()
            except BaseException:
                self.paused = True
                raise
