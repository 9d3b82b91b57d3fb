"""X6: cancelling one wait_closed() affects no other waiter and does not change the connection."""

import asyncio
import gc
import socket
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers


async def start_waiters(writer: Any, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(writer.wait_closed()) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    return tasks


async def cancel_and_wait(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_cancelled_waiters_leave_the_others_waiting_until_the_close(raw_peers: RawPeers) -> None:
    """X6: the other waiters return when the pending data has been sent."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        tasks = await start_waiters(writer, 50)
        await cancel_and_wait(*tasks[::2])
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks[1::2])
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        assert await asyncio.gather(*tasks[1::2]) == [None] * 25
        assert await receiving == PAYLOAD
        assert await writer.wait_closed() is None


async def test_wait_closed_after_a_cancelled_one_returns_normally(raw_peers: RawPeers) -> None:
    """X6: a later wait_closed() waits for the close, and one after the close returns immediately."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await writer.wait_closed()
        (task,) = await start_waiters(writer, 1)
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await task
        await writer.wait_closed()
        assert await receiving == PAYLOAD


async def test_wait_cancelled_before_close_leaves_the_connection_open(raw_peers: RawPeers) -> None:
    """X6: reads continue, and the other waiters return after close()."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        tasks = await start_waiters(writer, 3)
        await cancel_and_wait(tasks[0])
        assert not writer.is_closing()
        peer.send(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        assert await asyncio.gather(*tasks[1:]) == [None, None]


async def test_reset_is_raised_in_the_waiters_that_were_not_cancelled(raw_peers: RawPeers) -> None:
    """X6: each remaining waiter raises the error of a reset before close()."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        tasks = await start_waiters(writer, 5)
        await cancel_and_wait(tasks[0], tasks[3])
        peer.reset()
        results = await asyncio.gather(*tasks[1:3], tasks[4], return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionResetError] * 3


async def test_reset_after_all_waiters_were_cancelled_reports_nothing(raw_peers: RawPeers) -> None:
    """X6: an error that no waiter raises is not passed to the loop's exception handler."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        await cancel_and_wait(*await start_waiters(writer, 3))
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


@pytest.mark.parametrize("end", ["close", "throw"])
async def test_reset_after_a_wait_whose_coroutine_was_ended_reports_nothing(raw_peers: RawPeers, end: str) -> None:
    """X6: as after a cancellation. No task runs the coroutine."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        waiting = writer.wait_closed()
        waiting.send(None)
        if end == "close":
            waiting.close()
        else:
            with pytest.raises(LookupError):
                waiting.throw(LookupError())
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_wait_that_ends_after_the_loop_was_closed_raises_nothing() -> None:
    """X6: the collector ends the coroutine of a task that waits in a closed loop, and would report an exception."""
    near, far = socket.socketpair()

    async def start() -> tuple[Any, Any]:
        _, writer = await sluiceway.open_connection(sock=near)
        waiting = writer.wait_closed()
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0)
        return waiting, task

    loop = asyncio.new_event_loop()
    # Reports the task, which is collected while it waits.
    loop.set_exception_handler(lambda loop, context: None)
    with far:
        waiting, task = loop.run_until_complete(start())
        loop.close()
        waiting.close()
        del waiting, task
        gc.collect()


async def test_cancellation_in_the_iteration_of_the_reset_reports_nothing(raw_peers: RawPeers) -> None:
    """X6: a waiter that is cancelled after the error was set, but before it runs, is cancelled."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        tasks = await start_waiters(writer, 2)
        peer.reset()
        with pytest.raises(ConnectionError):
            while True:
                writer.write(bytes(100_000))
                await writer.drain()
        await cancel_and_wait(*[task for task in tasks if not task.done()])
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_cancelled_waiters_over_tls_leave_the_others_waiting(tls: Any) -> None:
    """X6: on both sides of a TLS connection."""
    async with connected_pair(
        sluiceway,
        server={"ssl": tls.server_context},
        client={"ssl": tls.client_context, "server_hostname": "localhost"},
    ) as ((_, writer), (far_reader, far)):
        near_tasks = await start_waiters(writer, 3)
        far_tasks = await start_waiters(far, 3)
        await cancel_and_wait(near_tasks[0], far_tasks[1])
        writer.close()
        assert await far_reader.read() == b""
        far.close()
        assert await asyncio.gather(*near_tasks[1:], far_tasks[0], far_tasks[2]) == [None] * 4


async def test_cancelled_drain_and_wait_closed_do_not_affect_each_other(raw_peers: RawPeers) -> None:
    """X6: cancelling drain() leaves wait_closed() waiting, and the reverse."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(2)]
        waiting = await start_waiters(writer, 2)
        await cancel_and_wait(draining[0], waiting[0])
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await draining[1]
        assert not waiting[1].done()
        writer.close()
        await waiting[1]
        assert await receiving == PAYLOAD
