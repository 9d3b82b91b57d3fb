"""X6: a cancelled wait_closed cancels itself alone."""

import asyncio
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers


async def _waiting(writer: Any, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(writer.wait_closed()) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_others_go_on_waiting_and_end(raw_peers: RawPeers) -> None:
    """X6: of many waiters every second is cancelled while the backlog is flushed; the others end with it."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        tasks = await _waiting(writer, 50)
        await _cancelled(*tasks[::2])
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks[1::2])
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        assert await asyncio.gather(*tasks[1::2]) == [None] * 25
        assert await receiving == PAYLOAD
        assert await writer.wait_closed() is None


async def test_later_waits_are_not_poisoned(raw_peers: RawPeers) -> None:
    """X6: after a cancelled wait, one that begins later waits and ends properly, before and after the end."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await writer.wait_closed()
        (task,) = await _waiting(writer, 1)
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await task
        await writer.wait_closed()
        assert await receiving == PAYLOAD


async def test_wait_cancelled_before_the_close(raw_peers: RawPeers) -> None:
    """X6: somebody waited for the end and gave up; the connection is as it was, and closes as any other."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        tasks = await _waiting(writer, 3)
        await _cancelled(tasks[0])
        assert not writer.is_closing()
        peer.send(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        assert await asyncio.gather(*tasks[1:]) == [None, None]


async def test_error_reaches_those_who_still_wait(raw_peers: RawPeers) -> None:
    """X6: the peer's reset before close() is raised in each of the others."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        tasks = await _waiting(writer, 5)
        await _cancelled(tasks[0], tasks[3])
        peer.reset()
        results = await asyncio.gather(*tasks[1:3], tasks[4], return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionResetError] * 3


async def test_all_cancelled(raw_peers: RawPeers) -> None:
    """X6: no one waits any more when the error comes: nobody is told, nothing is reported."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        await _cancelled(*await _waiting(writer, 3))
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


async def test_cancelled_in_the_turn_of_the_end(raw_peers: RawPeers) -> None:
    """X6: the end is decided and the task is cancelled before it runs: cancelled, and nothing is reported."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        tasks = await _waiting(writer, 2)
        peer.reset()
        with pytest.raises(ConnectionError):
            while True:
                writer.write(bytes(100_000))
                await writer.drain()
        await _cancelled(*[task for task in tasks if not task.done()])
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_over_tls(tls: Any) -> None:
    """X6: the same on both sides of TLS."""
    async with connected_pair(
        sluiceway,
        server={"ssl": tls.server_context},
        client={"ssl": tls.client_context, "server_hostname": "localhost"},
    ) as ((_, writer), (far_reader, far)):
        near_tasks = await _waiting(writer, 3)
        far_tasks = await _waiting(far, 3)
        await _cancelled(near_tasks[0], far_tasks[1])
        writer.close()
        assert await far_reader.read() == b""
        far.close()
        assert await asyncio.gather(*near_tasks[1:], far_tasks[0], far_tasks[2]) == [None] * 4


async def test_drain_and_wait_closed_do_not_touch_each_other(raw_peers: RawPeers) -> None:
    """X6: cancelling drains leaves wait_closed alone and the other way round."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(2)]
        waiting = await _waiting(writer, 2)
        await _cancelled(draining[0], waiting[0])
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await draining[1]
        assert not waiting[1].done()
        writer.close()
        await waiting[1]
        assert await receiving == PAYLOAD
