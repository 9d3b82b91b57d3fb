"""The only socket of a loop is watched by the loop itself; with a second the poller watches both."""

import asyncio

import pytest

from engine.epoll_descriptors import epoll_watchers
from engine.peer_connections import PeerConnection, open_connections, run_in_poller_step
from support.raw_peer import RawPeers

# uvloop's sockets are the poller's in any case; tests/reading/test_connection_reset.py shows why.
pytestmark = pytest.mark.loops("asyncio", "debug", "eager")


async def echoes(connection: PeerConnection) -> None:
    async def echo() -> None:
        connection.writer.write(await connection.reader.readexactly(4))
        await connection.writer.drain()

    task = asyncio.create_task(echo())
    connection.peer.send(b"ping")
    await task
    assert await connection.peer.in_thread(connection.peer.receive, 4) == b"ping"


async def test_one_then_two_then_one(raw_peers: RawPeers):
    [first] = await open_connections(raw_peers)
    [loops_own] = epoll_watchers(first)
    await echoes(first)
    [second] = await open_connections(raw_peers)
    [pollers] = epoll_watchers(second)
    assert epoll_watchers(first) == [pollers] != [loops_own]
    await echoes(first)
    await echoes(second)
    await first.close()
    await echoes(second)
    await second.close()
    [third] = await open_connections(raw_peers)
    assert epoll_watchers(third) == [loops_own]
    await echoes(third)
    await third.close()


async def test_a_second_that_comes_in_a_step_of_the_first(raw_peers: RawPeers):
    [first] = await open_connections(raw_peers)

    async def open_another() -> PeerConnection:
        [another] = await open_connections(raw_peers)
        await echoes(another)
        return another

    second = await run_in_poller_step(first, open_another)
    await echoes(first)
    await first.close()
    await second.close()


async def test_it_waits_to_write(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.writer.write(bytes(20_000_000))
    assert connection.transport.get_write_buffer_size() > 0
    assert len(epoll_watchers(connection)) == 1
    connection.peer.send(b"read")
    assert await connection.reader.readexactly(4) == b"read"
    connection.transport.abort()
    await connection.close()


async def test_it_is_paused_and_goes_on(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    assert epoll_watchers(connection) == []
    connection.peer.send(b"late")
    connection.transport.resume_reading()
    assert await connection.reader.readexactly(4) == b"late"
    await connection.close()
