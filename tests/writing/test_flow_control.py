"""W1: any number of tasks write and drain; the marks can be set, the pending bytes be seen."""

import asyncio
import types

import pytest

from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers


async def test_drain_waits_until_the_peer_reads(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: over the high mark drain waits, and it ends at the low mark."""
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


async def test_any_number_of_tasks_drain(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1 (Python 3.12): a hundred tasks wait at once and all go on."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not any(task.done() for task in draining)
        reading = asyncio.create_task(peer.in_thread(peer.receive, len(PAYLOAD)))
        assert await asyncio.gather(*draining) == [None] * 100
        await reading


async def test_any_number_of_tasks_write_and_drain(streams: types.ModuleType) -> None:
    """W1: each task's pieces stay whole and in its order; nothing is lost between pauses."""
    tasks, pieces, size = 20, 12, 16 << 10

    async def send(number: int, writer: object) -> None:
        for piece in range(pieces):
            writer.write(bytes([number, piece]) * (size // 2))  # type: ignore[attr-defined]
            await writer.drain()  # type: ignore[attr-defined]

    async with connected_pair(streams) as ((_, writer), (far, _)):
        writer.transport.set_write_buffer_limits(high=32 << 10)
        seen: dict[int, int] = {}
        async with asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(send(number, writer))
            for _ in range(tasks * pieces):
                piece = await far.readexactly(size)
                assert piece == piece[:2] * (size // 2)
                assert piece[1] == seen.get(piece[0], -1) + 1
                seen[piece[0]] = piece[1]
        assert seen == dict.fromkeys(range(tasks), pieces - 1)


async def test_marks_can_be_set_through_the_transport(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: with a high mark above everything that is pending drain returns at once, with a low one it waits."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD), low=1000)
        assert writer.transport.get_write_buffer_limits() == (1000, 2 * len(PAYLOAD))
        writer.write(PAYLOAD)
        await writer.drain()
        # What is pending shows that drain returned because of the mark.
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


async def test_pending_bytes_are_visible(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: the transport tells how much is unsent, writes after a pause included."""
    async with pending_writes(streams, raw_peers) as (_, writer, _peer):
        before = writer.transport.get_write_buffer_size()
        assert before > 0
        writer.write(bytes(1000))
        writer.writelines([bytes(10), bytes(20)])
        assert writer.transport.get_write_buffer_size() == before + 1030


async def test_drain_below_the_mark_returns_at_once(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W1: nothing to wait for: no turn of the loop passes."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        turned = []
        asyncio.get_running_loop().call_soon(turned.append, True)
        writer.write(b"a")
        await writer.drain()
        assert turned == []


async def test_cancelled_drain_cancels_itself_alone(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X6: of ten that wait every second is cancelled; the others go on when there is room."""
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
    """X6: cancelling takes away neither the pause nor the bytes."""
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
