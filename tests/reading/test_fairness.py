"""A coroutine that never has to wait does not starve the others: reads and drains that cost nothing are counted."""

import asyncio
import types
from collections.abc import Awaitable, Callable

import pytest

from support.raw_peer import RawPeers
from support.scheduling import wait_until

LINES = 2000
STARVES = "a read that finds its data never lets the loop have a turn"


class Ticks:
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self.count += 1
        self._next = self._loop.call_soon(self._tick)

    def stop(self) -> None:
        self._next.cancel()


def lines_reader(streams: types.ModuleType) -> asyncio.StreamReader:
    reader: asyncio.StreamReader = streams.StreamReader(limit=1 << 20, loop=asyncio.get_running_loop())
    reader.feed_data(b"".join(b"%06d\n" % number for number in range(LINES)))
    return reader


READS: dict[str, Callable[[asyncio.StreamReader], Awaitable[bytes]]] = {
    "readline": lambda reader: reader.readline(),
    "readuntil": lambda reader: reader.readuntil(b"\n"),
    "readexactly": lambda reader: reader.readexactly(7),
    "read": lambda reader: reader.read(7),
}


@pytest.mark.reference_fails("the cooperative budget", STARVES)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_reads_that_find_their_data(
    streams: types.ModuleType, read: Callable[[asyncio.StreamReader], Awaitable[bytes]]
) -> None:
    reader = lines_reader(streams)
    ticks = Ticks()
    for number in range(LINES):
        assert await read(reader) == b"%06d\n" % number
    ticks.stop()
    # Every few hundred, and not at each: that would be the cost that is saved.
    assert 2 <= ticks.count <= LINES // 100


@pytest.mark.reference_fails("the cooperative budget", STARVES)
async def test_a_read_that_is_cancelled_while_it_rests_has_taken_nothing(streams: types.ModuleType) -> None:
    reader = lines_reader(streams)
    taken = 0

    async def take() -> None:
        nonlocal taken
        while taken < LINES:
            assert await reader.readline() == b"%06d\n" % taken
            taken += 1

    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    assert 0 < taken < LINES
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reader.readline() == b"%06d\n" % taken


@pytest.mark.reference_fails("the cooperative budget", STARVES)
async def test_a_read_that_rests_holds_the_stream(streams: types.ModuleType) -> None:
    reader = lines_reader(streams)
    reader.feed_eof()

    async def take() -> None:
        for _ in range(LINES):
            await reader.readline()

    task = asyncio.create_task(take(), name="the one that reads")
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="the one that reads"):
        await reader.readline()
    await task


@pytest.mark.reference_fails("the cooperative budget", "a drain that finds room never lets the loop have a turn")
async def test_drains_that_find_room(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _reader, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    ticks = Ticks()
    for _ in range(LINES):
        writer.write(b"x")
        await writer.drain()
    ticks.stop()
    assert 2 <= ticks.count <= LINES // 100
    assert await peer.in_thread(peer.receive, LINES) == b"x" * LINES
    writer.close()
    await writer.wait_closed()


async def test_lines_on_a_connection_with_answers(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """Many times the budget in one batch: all are answered, in order, and the loop turns meanwhile."""
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    sent = b"".join(b"%06d\n" % number for number in range(LINES))

    async def answer() -> None:
        for _ in range(LINES):
            writer.write(await reader.readline())
            await writer.drain()

    task = asyncio.create_task(answer())
    peer.send(sent)
    assert await peer.in_thread(peer.receive, len(sent)) == sent
    await wait_until(task.done)
    await task
    writer.close()
    await writer.wait_closed()
