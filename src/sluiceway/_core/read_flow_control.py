"""Flow control of the reading side: how much may be received, and when the transport pauses (contract R3)."""

from __future__ import annotations

from typing import Any

from .._constants import MINIMUM_RECEIVE
from .chunk_buffer import ChunkBuffer

# The compiled variant keeps this as a number.
_MINIMUM_RECEIVE = MINIMUM_RECEIVE


class ReadFlowControl:
    """Pauses ``transport`` above 2 x ``limit`` bytes, resumes it at ``limit``; ``paused`` says that it is paused.

    ``target_size``: what the pending read needs, for which more than the limit may be buffered.
    """

    __slots__ = ("limit", "paused", "transport")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.transport: Any = None
        self.paused = False

    def room(self, size: int, target_size: int) -> int:
        """How many bytes may be received while ``size`` bytes are buffered."""
        room = 2 * self.limit + target_size - size
        return room if room > _MINIMUM_RECEIVE else _MINIMUM_RECEIVE  # noqa: FURB136 - called for each arrival

    def pause_if_high(self, buffer: ChunkBuffer, target_size: int) -> None:
        """Free what was read already; pause the transport if more than the bound is buffered even so."""
        buffer.compact()
        held = buffer.size() + buffer.excess()
        if self.transport is None or self.paused or held <= 2 * self.limit + target_size:
            return
        try:
            self.transport.pause_reading()
        except NotImplementedError:
            # A transport that cannot pause is not asked again; the data is kept.
            self.transport = None
        else:
            self.paused = True

    def resume_if_low(self, size: int) -> None:
        """Resume a paused transport if no more than the limit is buffered."""
        if self.paused and size <= self.limit:
            self.resume()

    def resume(self) -> None:
        """Resume a paused transport."""
        if self.paused:
            self.paused = False
            self.transport.resume_reading()
