"""A peer that sends as much as the kernel takes, without blocking: tests see where flow control stops it."""

import asyncio
import select
from typing import Any

from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer
from support.scheduling import run_iterations

PATTERN = bytes(range(251)) * 1044  # 251 is prime: no chunk size hides a shift


class FloodingPeer:
    """Sends a known sequence over ``peer``; ``sent`` counts what the kernel took."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.sent = 0
        peer.sock.setblocking(False)

    def send(self, size: int) -> bool:
        """Offer the next ``size`` bytes; False if the kernel takes none of them now."""
        at = self.sent % 251
        try:
            self.sent += self.peer.sock.send(PATTERN[at : at + size])
        except BlockingIOError:
            return False
        return True

    async def send_until_blocked(self, reader: Any, size: int = 65536, calls: int = 4) -> None:
        """Send until the reader has paused its transport and the kernel's buffers are full."""
        refused = 0
        while refused < 20:
            took = [self.send(size) for _ in range(calls)]
            refused = 0 if any(took) or not reader._paused else refused + 1
            await run_iterations(1)

    def is_blocked(self) -> bool:
        """Return whether the kernel's send buffer is full."""
        return not select.select([], [self.peer.sock], [], 0)[1]

    def expected(self) -> bytes:
        """Everything sent so far."""
        return (bytes(range(251)) * (self.sent // 251 + 1))[: self.sent]

    async def read_all_with(self, read: Any) -> bytes:
        """Read by calls of ``await read(missing)`` until everything that was sent is there."""
        parts = bytearray()
        while len(parts) < self.sent:
            part = await read(self.sent - len(parts))
            assert part
            parts += part
        return bytes(parts)


class TLSFloodingPeer(FloodingPeer):
    """The same over TLS. ``sent`` includes the last piece, whose records may still be ``pending``."""

    def __init__(self, peer: RawPeer, manual_tls: ManualTLS) -> None:
        super().__init__(peer)
        self.tls = manual_tls
        self.pending = b""

    def send(self, size: int) -> bool:
        """Offer the pending records, or the next ``size`` bytes in new records; False if the kernel takes nothing."""
        if not self.pending:
            at = self.sent % 251
            piece = PATTERN[at : at + size]
            self.pending = self.tls.encrypt(piece)
            self.sent += len(piece)
        try:
            count = self.peer.sock.send(self.pending)
        except BlockingIOError:
            return False
        self.pending = self.pending[count:]
        return True

    async def flush(self) -> None:
        """Send the pending records; another task has to read meanwhile."""
        while self.pending:
            self.send(0)
            await run_iterations(1)

    async def read_all_with(self, read: Any) -> bytes:
        """Read by calls of ``await read(missing)`` until everything that was sent is there."""
        flushing = asyncio.create_task(self.flush())
        try:
            return await super().read_all_with(read)
        finally:
            await flushing
