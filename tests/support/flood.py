"""A peer that sends as much as the other side takes, without waiting, so that a test sees where it is stopped."""

import asyncio
import select
from typing import Any

from support.peer import Wire
from support.tls_by_hand import TLSEnd
from support.turns import turns

PATTERN = bytes(range(251)) * 1044  # 251 is prime: no chunk size hides a shift


class Flood:
    """Sends a known sequence over ``wire``; ``sent`` counts what the kernel took."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.sent = 0
        wire.sock.setblocking(False)

    def send(self, size: int) -> bool:
        """Offer the next ``size`` bytes; False if the kernel takes none of them now."""
        at = self.sent % 251
        try:
            self.sent += self.wire.sock.send(PATTERN[at : at + size])
        except BlockingIOError:
            return False
        return True

    async def until_stopped(self, reader: Any, size: int = 65536, calls: int = 4) -> None:
        """Send until the reader has stopped its transport and the kernel's buffers are full."""
        refused = 0
        while refused < 20:
            took = [self.send(size) for _ in range(calls)]
            refused = 0 if any(took) or not reader._paused else refused + 1
            await turns(1)

    def held_up(self) -> bool:
        """Say whether the kernel would take nothing more."""
        return not select.select([], [self.wire.sock], [], 0)[1]

    def expected(self) -> bytes:
        """Everything sent so far."""
        return (bytes(range(251)) * (self.sent // 251 + 1))[: self.sent]

    async def read_all_by(self, read: Any) -> bytes:
        """Read by calls of ``await read(missing)`` until everything that was sent is there."""
        parts = bytearray()
        while len(parts) < self.sent:
            part = await read(self.sent - len(parts))
            assert part
            parts += part
        return bytes(parts)


class SealedFlood(Flood):
    """The same over TLS. Of what was ``sent``, the records of the last piece may be ``waiting`` for the kernel."""

    def __init__(self, wire: Wire, end: TLSEnd) -> None:
        super().__init__(wire)
        self.end = end
        self.waiting = b""

    def send(self, size: int) -> bool:
        """Offer what waits, or the next ``size`` bytes in records of their own; False if the kernel takes nothing."""
        if not self.waiting:
            at = self.sent % 251
            piece = PATTERN[at : at + size]
            self.waiting = self.end.sealed(piece)
            self.sent += len(piece)
        try:
            count = self.wire.sock.send(self.waiting)
        except BlockingIOError:
            return False
        self.waiting = self.waiting[count:]
        return True

    async def flush(self) -> None:
        """Send what waits; somebody has to read meanwhile."""
        while self.waiting:
            self.send(0)
            await turns(1)

    async def read_all_by(self, read: Any) -> bytes:
        """Read by calls of ``await read(missing)`` until everything that was sent is there."""
        flushing = asyncio.create_task(self.flush())
        try:
            return await super().read_all_by(read)
        finally:
            await flushing
