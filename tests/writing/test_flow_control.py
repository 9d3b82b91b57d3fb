"""W1: flow control of writes: when drain() waits, for any number of tasks; limits and pending size; cancellation."""

import asyncio
import math
import types

import pytest

from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers


async def test_drain_waits_above_the_high_water_mark_and_returns_at_the_low(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W1: drain() waits above the high-water mark until the pending size falls to the low-water mark."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
        reading = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        await draining
        low, _high = writer.transport.get_write_buffer_limits()
        assert writer.transport.get_write_buffer_size() <= low
        assert await reading == PAYLOAD


async def test_hundred_tasks_wait_in_drain_and_all_return(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: any number of tasks may wait in drain(), as in asyncio since Python 3.12."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not any(task.done() for task in draining)
        reading = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        assert await asyncio.gather(*draining) == [None] * 100
        await reading


async def test_concurrent_writers_keep_their_pieces_whole_and_in_order(streams: types.ModuleType) -> None:
    """W1: pieces of concurrent tasks are not interleaved, reordered or lost."""
    tasks, pieces, size = 20, 12, 16 << 10

    async def send(number: int, writer: object) -> None:
        for piece in range(pieces):
            writer.write(bytes([number, piece]) * (size // 2))  # type: ignore[attr-defined]
            await writer.drain()  # type: ignore[attr-defined]

    async with connected_pair(streams) as ((_, writer), (far, _)):
        writer.transport.set_write_buffer_limits(high=32 << 10)
        last_piece: dict[int, int] = {}
        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(send(number, writer))
            for _ in range(tasks * pieces):
                piece = await far.readexactly(size)
                assert piece == piece[:2] * (size // 2)
                assert piece[1] == last_piece.get(piece[0], -1) + 1
                last_piece[piece[0]] = piece[1]
        assert last_piece == dict.fromkeys(range(tasks), pieces - 1)


async def test_drain_follows_the_limits_set_on_the_transport(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: drain() returns below the high-water mark that the program set, and waits above it."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD), low=1000)
        assert writer.transport.get_write_buffer_limits() == (1000, 2 * len(PAYLOAD))
        writer.write(PAYLOAD)
        await writer.drain()
        # Data is pending, so drain() returned because of the limit.
        assert writer.transport.get_write_buffer_size() > 1 << 20
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(b"x")
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
        reading = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD) + 1))
        await draining
        assert writer.transport.get_write_buffer_size() == 0
        assert await reading == PAYLOAD + b"x"


async def test_get_write_buffer_size_includes_all_pending_writes(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W1: get_write_buffer_size() includes writes after pause_writing()."""
    async with pending_writes(streams, raw_peers) as (_, writer, _peer):
        before = writer.transport.get_write_buffer_size()
        assert before > 0
        writer.write(bytes(1000))
        writer.writelines([bytes(10), bytes(20)])
        assert writer.transport.get_write_buffer_size() == before + 1030


async def test_drain_below_the_high_water_mark_does_not_yield(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: drain() with room returns without running the loop."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        loop_ran = []
        asyncio.get_running_loop().call_soon(loop_ran.append, True)
        writer.write(b"a")
        await writer.drain()
        assert loop_ran == []


async def test_cancelled_drain_leaves_other_drains_waiting(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X6: cancelling a drain() does not affect the other waiters."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(10)]
        await asyncio.sleep(0)
        for task in draining[::2]:
            task.cancel()
        for task in draining[::2]:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not any(task.done() for task in draining[1::2])
        reading = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        assert await asyncio.gather(*draining[1::2]) == [None] * 5
        await reading
        await writer.drain()


async def test_drain_after_a_cancelled_drain_waits_again(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X6: a cancelled drain() changes neither the paused state nor the pending data."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await writer.drain()
        again = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not again.done()
        assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD
        await again


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("high", "low"), [(math.inf, 0), (1 << 64, 0), (1 << 64, 1 << 63), (None, 1 << 62), (150_000.0, None)]
)
async def test_infinite_huge_and_float_write_buffer_limits_are_accepted(
    streams: types.ModuleType, high: float | None, low: float | None
) -> None:
    """W1: every limit that asyncio compares with the pending size is accepted; drain() then returns below it."""
    async with connected_pair(streams) as ((_, writer), (reader, _)):
        writer.transport.set_write_buffer_limits(high, low)
        applied_low, applied_high = writer.transport.get_write_buffer_limits()
        assert 0 <= applied_low <= applied_high
        if high == 150_000:
            assert (applied_low, applied_high) == (37_500, 150_000)
        else:
            assert applied_high >= 1 << 60
        writer.write(bytes(100_000))
        await writer.drain()
        assert await reader.readexactly(100_000) == bytes(100_000)


@pytest.mark.loops("asyncio")
async def test_not_a_number_as_write_buffer_limit_raises_value_error(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((_, writer), _):
        with pytest.raises(ValueError, match="must be >="):
            writer.transport.set_write_buffer_limits(math.nan)
