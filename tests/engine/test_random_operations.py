"""Random operations of handlers on each other's connections lose, repeat and reorder no byte."""

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


class TrackedConnection:
    """A connection, its reading task, and the numbers of bytes that were sent, fed, read and written."""

    def __init__(self, connection: PeerConnection) -> None:
        self.connection = connection
        self.sent = 0
        self.read = 0
        self.written = 0
        self.reading: asyncio.Task[None] | None = None
        connection.peer.sock.setblocking(False)

    def send(self, size: int) -> None:
        """Send from the peer as much as the kernel accepts."""
        at = self.sent % PERIOD
        with contextlib.suppress(OSError):
            self.sent += self.connection.peer.sock.send(PATTERN[at : at + size])

    def feed(self, size: int) -> None:
        """Feed the next bytes of the pattern, if every byte that the peer sent has been read."""
        if self.read == self.sent and not self.connection.reader.at_eof():
            at = self.sent % PERIOD
            self.connection.reader.feed_data(PATTERN[at : at + size])
            self.sent += size

    def write(self, size: int) -> None:
        at = self.written % PERIOD
        self.connection.writer.write(PATTERN[at : at + size])
        self.written += size

    def check_read(self, data: bytes) -> None:
        at = self.read % PERIOD
        assert data == PATTERN[at : at + len(data)]
        self.read += len(data)

    def receive_at_peer(self) -> bytes:
        """Receive what has arrived at the peer."""
        with contextlib.suppress(OSError):
            return self.connection.peer.sock.recv(1 << 18)
        return b""


class RandomOperations:
    """Several connections, each with a handler that performs random operations on the others."""

    def __init__(self, seed: int, listener: RawListener) -> None:
        self.chance = random.Random(seed)
        self.listener = listener
        self.connections: list[TrackedConnection] = []
        # True when the end of the test cancels, and not another handler.
        self.over = False

    async def open_connection(self) -> None:
        reader, writer = await sluiceway.open_connection(
            *self.listener.address, limit=self.chance.choice((10, 1000, 65536))
        )
        tracked = TrackedConnection(PeerConnection(reader, writer, self.listener.accept()))
        self.connections.append(tracked)
        tracked.reading = asyncio.create_task(self.handle(tracked))

    async def handle(self, tracked: TrackedConnection) -> None:
        while True:
            size = self.chance.choice((1, 10, 300, 5000))
            try:
                if self.chance.random() < 0.5:
                    data = await tracked.connection.reader.read(size)
                else:
                    data = await tracked.connection.reader.readexactly(size)
            except sluiceway.IncompleteReadError as error:
                tracked.check_read(error.partial)
                return
            except OSError:
                return
            except asyncio.CancelledError:
                # The next read gets every byte.
                if tracked.connection.transport.is_closing() or self.over:
                    return
                asyncio.current_task().uncancel()
                continue
            if not data:
                return
            tracked.check_read(data)
            for _ in range(self.chance.randrange(3)):
                self.operate_on(self.chance.choice(self.connections))

    def operate_on(self, other: TrackedConnection) -> None:
        choice = self.chance.randrange(100)
        if choice < 30:
            other.write(self.chance.choice((1, 100, 3000)))
        elif choice < 50:
            other.send(self.chance.choice((1, 100, 3000)))
        elif choice < 60:
            other.feed(self.chance.choice((1, 100, 3000)))
        elif choice < 70:
            other.connection.transport.pause_reading()
            other.connection.transport.resume_reading()
        elif choice < 80:
            high = self.chance.choice((0, 10, 65536))
            other.connection.transport.set_write_buffer_limits(high)
        elif choice < 88:
            other.reading.cancel()
        elif choice < 91:
            other.connection.writer.close()
        elif choice < 94:
            other.connection.transport.abort()
        elif choice < 96:
            other.connection.peer.sock.close()
        elif choice < 98:
            with contextlib.suppress(OSError):
                other.connection.peer.half_close()
        else:
            other.connection.transport.set_protocol(other.connection.transport.get_protocol())

    def check_task(self, tracked: TrackedConnection) -> None:
        """Raise the exception of the task, unless it was cancelled before its first step."""
        if not tracked.reading.cancelled():
            tracked.reading.result()

    async def run(self) -> None:
        for _ in range(ROUNDS):
            while len(self.connections) < COUNT:
                await self.open_connection()
            for tracked in self.connections:
                # Several at once, so that they share a batch.
                if self.chance.random() < 0.7:
                    tracked.send(self.chance.choice((1, 50, 4000)))
            await run_iterations(3)
            finished = [tracked for tracked in self.connections if tracked.reading.done()]
            for tracked in finished:
                self.connections.remove(tracked)
                self.check_task(tracked)
                tracked.connection.transport.abort()
                tracked.connection.writer.close()
                await asyncio.gather(tracked.connection.writer.wait_closed(), return_exceptions=True)
                tracked.connection.peer.close()

    async def finish(self) -> None:
        """Send EOF from all peers; each open connection reads all that its peer has sent."""
        for tracked in self.connections:
            with contextlib.suppress(OSError):
                tracked.connection.peer.half_close()
        for tracked in self.connections:
            await asyncio.wait([tracked.reading])
            self.check_task(tracked)
            if (
                not tracked.reading.cancelled()
                and not tracked.connection.writer.is_closing()
                and tracked.connection.reader.exception() is None
            ):
                assert tracked.read == tracked.sent


@pytest.mark.parametrize("seed", range(6))
async def test_random_operations_keep_every_byte_in_order(raw_peers: RawPeers, seed: int):
    operations = RandomOperations(seed, raw_peers.listen())
    try:
        await operations.run()
        await operations.finish()
    finally:
        operations.over = True
    await abort_connections([tracked.connection for tracked in operations.connections])
