"""Handlers that do anything to each other's connections, at random: every byte that is read is the one that is due."""

import asyncio
import contextlib
import random

import pytest

import sluiceway
from engine.peer_connections import PeerConnection, abort_connections
from support.flooding_peer import PATTERN
from support.raw_peer import RawListener, RawPeers
from support.scheduling import run_iterations

COUNT = 16
ROUNDS = 60
PERIOD = 251  # of the pattern that floods send


class Life:
    """One connection and what is known of it: how much was sent, fed and read, and whether it was ended."""

    def __init__(self, connection: PeerConnection) -> None:
        self.connection = connection
        self.sent = 0
        self.read = 0
        self.written = 0
        self.reading: asyncio.Task[None] | None = None
        connection.peer.sock.setblocking(False)

    def send(self, size: int) -> None:
        """From the peer; what the kernel has no room for is not sent."""
        at = self.sent % PERIOD
        with contextlib.suppress(OSError):
            self.sent += self.connection.peer.sock.send(PATTERN[at : at + size])

    def feed(self, size: int) -> None:
        """What the peer might have sent, were everything that it did send read already."""
        if self.read == self.sent and not self.connection.reader.at_eof():
            at = self.sent % PERIOD
            self.connection.reader.feed_data(PATTERN[at : at + size])
            self.sent += size

    def write(self, size: int) -> None:
        at = self.written % PERIOD
        self.connection.writer.write(PATTERN[at : at + size])
        self.written += size

    def took(self, data: bytes) -> None:
        at = self.read % PERIOD
        assert data == PATTERN[at : at + len(data)]
        self.read += len(data)

    def returned(self) -> bytes:
        """What has arrived at the peer since."""
        with contextlib.suppress(OSError):
            return self.connection.peer.sock.recv(1 << 18)
        return b""


class Chaos:
    """Many lives, each with a handler that disturbs the others."""

    def __init__(self, seed: int, listener: RawListener) -> None:
        self.chance = random.Random(seed)
        self.listener = listener
        self.lives: list[Life] = []
        # True when a cancel comes from the test's own end, and not from another handler.
        self.over = False

    async def bear(self) -> None:
        reader, writer = await sluiceway.open_connection(
            *self.listener.address, limit=self.chance.choice((10, 1000, 65536))
        )
        life = Life(PeerConnection(reader, writer, self.listener.accept()))
        self.lives.append(life)
        life.reading = asyncio.create_task(self.handle(life))

    async def handle(self, life: Life) -> None:
        while True:
            size = self.chance.choice((1, 10, 300, 5000))
            try:
                if self.chance.random() < 0.5:
                    data = await life.connection.reader.read(size)
                else:
                    data = await life.connection.reader.readexactly(size)
            except sluiceway.IncompleteReadError as error:
                life.took(error.partial)
                return
            except OSError:
                return
            except asyncio.CancelledError:
                # Another read takes its place, with every byte there.
                if life.connection.transport.is_closing() or self.over:
                    return
                asyncio.current_task().uncancel()
                continue
            if not data:
                return
            life.took(data)
            for _ in range(self.chance.randrange(3)):
                self.disturb(self.chance.choice(self.lives))

    def disturb(self, other: Life) -> None:
        way = self.chance.randrange(100)
        if way < 30:
            other.write(self.chance.choice((1, 100, 3000)))
        elif way < 50:
            other.send(self.chance.choice((1, 100, 3000)))
        elif way < 60:
            other.feed(self.chance.choice((1, 100, 3000)))
        elif way < 70:
            other.connection.transport.pause_reading()
            other.connection.transport.resume_reading()
        elif way < 80:
            high = self.chance.choice((0, 10, 65536))
            other.connection.transport.set_write_buffer_limits(high)
        elif way < 88:
            other.reading.cancel()
        elif way < 91:
            other.connection.writer.close()
        elif way < 94:
            other.connection.transport.abort()
        elif way < 96:
            other.connection.peer.sock.close()
        elif way < 98:
            with contextlib.suppress(OSError):
                other.connection.peer.half_close()
        else:
            other.connection.transport.set_protocol(other.connection.transport.get_protocol())

    def ended(self, life: Life) -> None:
        """Raise what was wrong with it, if anything; one that was cancelled before its first step has not lived."""
        if not life.reading.cancelled():
            life.reading.result()

    async def run(self) -> None:
        for _ in range(ROUNDS):
            while len(self.lives) < COUNT:
                await self.bear()
            for life in self.lives:
                # Several at once: that they share a batch is what this is about.
                if self.chance.random() < 0.7:
                    life.send(self.chance.choice((1, 50, 4000)))
            await run_iterations(3)
            gone = [life for life in self.lives if life.reading.done()]
            for life in gone:
                self.lives.remove(life)
                self.ended(life)
                life.connection.transport.abort()
                life.connection.writer.close()
                await asyncio.gather(life.connection.writer.wait_closed(), return_exceptions=True)
                life.connection.peer.close()

    async def finish(self) -> None:
        """Whoever is left reads all that its peer has sent."""
        for life in self.lives:
            with contextlib.suppress(OSError):
                life.connection.peer.half_close()
        for life in self.lives:
            await asyncio.wait([life.reading])
            self.ended(life)
            if (
                not life.reading.cancelled()
                and not life.connection.writer.is_closing()
                and life.connection.reader.exception() is None
            ):
                assert life.read == life.sent


@pytest.mark.parametrize("seed", range(6))
async def test_anything_goes(raw_peers: RawPeers, seed: int):
    chaos = Chaos(seed, raw_peers.listen())
    try:
        await chaos.run()
        await chaos.finish()
    finally:
        chaos.over = True
    await abort_connections([life.connection for life in chaos.lives])
