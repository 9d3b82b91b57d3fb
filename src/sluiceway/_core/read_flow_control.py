"""Flow control of the reading side: how much may be buffered, and when the transport is paused."""

from __future__ import annotations

from typing import Any

from .chunk_buffer import ChunkBuffer
from .read_wait import ReadWait


class ReadFlowControl(ReadWait):
    """The part of a Receiver that pauses ``transport`` when the buffer takes more than 2 x ``limit`` bytes.

    It resumes the transport when at most ``limit`` bytes are unread, or when a read must wait. ``target_size`` of the
    read that waits is added to the bound of 2 x ``limit`` (contract R3, docs/explanation/contracts.md).

    - ``limit``: the limit of the reader in bytes.
    - ``transport``: None before set_transport(), and after pause_reading() of the transport has raised
      NotImplementedError.
    - ``paused``: True while this object has paused the transport. ``pauses``: how often it did.
    """

    __slots__ = ("limit", "paused", "pauses", "transport")

    def __init__(self, limit: int) -> None:
        ReadWait.__init__(self)
        self.limit = limit
        self.transport: Any = None
        self.paused = False
        self.pauses = 0

    def pause_if_high(self, buffer: ChunkBuffer) -> None:
        """Free the memory of read bytes. Then pause the transport if ``buffer`` still takes more than the bound."""
        buffer.compact()
        held = buffer.size() + buffer.excess()
        if self.transport is None or self.paused or held <= 2 * self.limit + self.target_size:
            return
        try:
            self.transport.pause_reading()
        except NotImplementedError:
            # A transport without pause_reading(): its data is buffered without a bound.
            self.transport = None
        else:
            self.paused = True
            self.pauses += 1

    def resume_below(self, size: int) -> None:
        """Resume a paused transport if ``size``, the number of unread bytes, is at most ``limit``."""
        if self.paused and size <= self.limit:
            self.resume()

    def floor(self) -> int:
        """Return the number of unread bytes at or below which the transport must be resumed; -1 if it is not paused."""
        return self.limit if self.paused else -1

    def resume(self) -> None:
        """Resume the transport if this object has paused it."""
        if self.paused:
            self.paused = False
            try:
                self.transport.resume_reading()
            except BaseException:
                self.paused = True
                raise
