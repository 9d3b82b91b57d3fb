"""A peer that sends as much as the other side takes, without waiting, so that a test sees where it is stopped."""

from typing import Any

from support.peer import Wire
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
