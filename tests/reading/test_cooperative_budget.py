"""Reads and drains that complete without a wait yield to the event loop when the cooperative budget is exhausted."""

import asyncio
import os
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from support.raw_peer import RawPeers
from support.scheduling import wait_until

LINES = 2000
STARVES = "a read that finds its data never yields to the loop"


class IterationCounter:
    """Counts the iterations of the loop."""

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
async def test_reads_without_wait_yield_to_loop_regularly(
    streams: types.ModuleType, read: Callable[[asyncio.StreamReader], Awaitable[bytes]]
) -> None:
    reader = lines_reader(streams)
    iterations = IterationCounter()
    for number in range(LINES):
        assert await read(reader) == b"%06d\n" % number
    iterations.stop()
    # Once in some hundred calls: a yield at each call would cost what the budget saves.
    assert 2 <= iterations.count <= LINES // 100


@pytest.mark.parametrize("kind", [sluiceway.StreamReader, asyncio.StreamReader], ids=["sluiceway", "asyncio"])
@pytest.mark.parametrize("name", ["lines", "records", "frames"])
async def test_iterators_without_wait_yield_to_loop_regularly(kind: Any, name: str) -> None:
    reader = kind(limit=1 << 20)
    reader.feed_data(b"\0\4xyz\n" * LINES)
    records: Any = {
        "lines": lambda: sluiceway.lines(reader),
        "records": lambda: sluiceway.records(reader, separator=b"yz\n"),
        "frames": lambda: sluiceway.frames(reader, length_bytes=2),
    }[name]()
    iterations = IterationCounter()
    for _ in range(LINES):
        assert await anext(records) == (b"xyz\n" if name == "frames" else b"\0\4xyz\n")
    iterations.stop()
    assert 2 <= iterations.count <= LINES // 100


@pytest.mark.reference_fails("the cooperative budget", STARVES)
async def test_read_cancelled_while_it_yields_to_loop_keeps_bytes(streams: types.ModuleType) -> None:
    reader = lines_reader(streams)
    lines_read = 0

    async def read_lines() -> None:
        nonlocal lines_read
        while lines_read < LINES:
            assert await reader.readline() == b"%06d\n" % lines_read
            lines_read += 1

    task = asyncio.create_task(read_lines())
    await asyncio.sleep(0)
    assert 0 < lines_read < LINES
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reader.readline() == b"%06d\n" % lines_read


@pytest.mark.reference_fails("the cooperative budget", STARVES)
async def test_second_read_raises_while_first_yields_to_loop(streams: types.ModuleType) -> None:
    reader = lines_reader(streams)
    reader.feed_eof()

    async def read_lines() -> None:
        for _ in range(LINES):
            await reader.readline()

    task = asyncio.create_task(read_lines(), name="the reading task")
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="the reading task"):
        await reader.readline()
    await task


@pytest.mark.reference_fails("the cooperative budget", "a drain that does not wait never yields to the loop")
async def test_drains_without_wait_yield_to_loop_regularly(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _reader, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    iterations = IterationCounter()
    for _ in range(LINES):
        writer.write(b"x")
        await writer.drain()
    iterations.stop()
    assert 2 <= iterations.count <= LINES // 100
    assert await peer.in_thread(peer.receive, LINES) == b"x" * LINES
    writer.close()
    await writer.wait_closed()


async def test_sends_to_file_yield_to_loop_regularly() -> None:
    """A writer without a reader, whose file never pauses it."""
    async with sluiceway.pipe(os.open(os.devnull, os.O_WRONLY)) as stream:
        iterations = IterationCounter()
        for _ in range(LINES):
            await stream.send(b"x")
        iterations.stop()
        assert 2 <= iterations.count <= LINES // 100


async def test_lines_beyond_budget_are_echoed_in_order(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """A burst of several budgets of lines on one connection is answered completely."""
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
