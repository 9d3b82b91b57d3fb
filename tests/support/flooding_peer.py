"""A peer that sends until the kernel's buffers are full, to test where flow control stops it."""

import asyncio
from typing import Any

from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer
from support.scheduling import run_iterations

PATTERN = bytes(range(251)) * 1044  # 251 is prime: no chunk size hides a shift


class FloodingPeer:
    """Sends a known sequence over ``peer``; ``sent`` is the number of bytes that the kernel accepted."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.sent = 0
        peer.sock.setblocking(False)

    def send(self, size: int) -> bool:
        """Send at most the next ``size`` bytes; False if the kernel accepts none of them now."""
        offset = self.sent % 251
        try:
            self.sent += self.peer.sock.send(PATTERN[offset : offset + size])
        except BlockingIOError:
            return False
        return True

    async def send_until_blocked(self, reader: Any, size: int = 65536, calls: int = 4) -> None:
        """Send until the reader has paused its transport and the kernel's buffers are full."""
        refusals = 0
        while refusals < 20:
            accepted = [self.send(size) for _ in range(calls)]
            refusals = 0 if any(accepted) or not reader._paused else refusals + 1
            await run_iterations(1)

    def expected(self) -> bytes:
        """Return everything sent so far."""
        return (bytes(range(251)) * (self.sent // 251 + 1))[: self.sent]

    async def read_all_with(self, read: Any) -> bytes:
        """Read by calls of ``await read(missing)`` until everything that was sent has been read."""
        parts = bytearray()
        while len(parts) < self.sent:
            part = await read(self.sent - len(parts))
            assert part
            parts += part
        return bytes(parts)


class TLSFloodingPeer(FloodingPeer):
    """A flooding peer over TLS. ``sent`` includes the last piece, whose records may still be ``pending``."""

    def __init__(self, peer: RawPeer, manual_tls: ManualTLS) -> None:
        super().__init__(peer)
        self.tls = manual_tls
        self.pending = b""

    def send(self, size: int) -> bool:
        """Send the pending records, or the next ``size`` bytes in new ones; False if the kernel accepts nothing."""
        if not self.pending:
            offset = self.sent % 251
            piece = PATTERN[offset : offset + size]
            self.pending = self.tls.encrypt(piece)
            self.sent += len(piece)
        try:
            count = self.peer.sock.send(self.pending)
        except BlockingIOError:
            return False
        self.pending = self.pending[count:]
        return True

    async def flush(self) -> None:
        """Send the pending records; another task must read meanwhile."""
        while self.pending:
            self.send(0)
            await run_iterations(1)

    async def read_all_with(self, read: Any) -> bytes:
        """Read by calls of ``await read(missing)`` until everything that was sent has been read."""
        flushing = asyncio.create_task(self.flush())
        try:
            return await super().read_all_with(read)
        finally:
            await flushing
