"""The loop itself watches its sole socket; with a second one the poller watches both."""

import asyncio

import pytest

from engine.epoll_descriptors import epoll_watchers
from engine.peer_connections import PeerConnection, open_connections, run_in_poller_step
from support.raw_peer import RawPeers

# On uvloop the poller watches every socket; tests/reading/test_connection_reset.py shows why.
pytestmark = pytest.mark.loops("asyncio", "debug", "eager")


async def assert_echoes(connection: PeerConnection) -> None:
    async def echo() -> None:
        connection.writer.write(await connection.reader.readexactly(4))
        await connection.writer.drain()

    task = asyncio.create_task(echo())
    connection.peer.send(b"ping")
    await task
    assert await connection.peer.in_thread(connection.peer.receive, 4) == b"ping"


async def test_poller_watches_sockets_from_the_second_on(raw_peers: RawPeers):
    [first] = await open_connections(raw_peers)
    [loop_epoll] = epoll_watchers(first)
    await assert_echoes(first)
    [second] = await open_connections(raw_peers)
    [poller_epoll] = epoll_watchers(second)
    assert epoll_watchers(first) == [poller_epoll] != [loop_epoll]
    await assert_echoes(first)
    await assert_echoes(second)
    await first.close()
    await assert_echoes(second)
    await second.close()
    [third] = await open_connections(raw_peers)
    assert epoll_watchers(third) == [loop_epoll]
    await assert_echoes(third)
    await third.close()


async def test_second_socket_opened_in_a_step_of_the_first_leaves_both_usable(raw_peers: RawPeers):
    [first] = await open_connections(raw_peers)

    async def open_another() -> PeerConnection:
        [another] = await open_connections(raw_peers)
        await assert_echoes(another)
        return another

    second = await run_in_poller_step(first, open_another)
    await assert_echoes(first)
    await first.close()
    await second.close()


async def test_sole_socket_with_pending_writes_still_reads(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.writer.write(bytes(20_000_000))
    assert connection.transport.get_write_buffer_size() > 0
    assert len(epoll_watchers(connection)) == 1
    connection.peer.send(b"read")
    assert await connection.reader.readexactly(4) == b"read"
    connection.transport.abort()
    await connection.close()


async def test_sole_socket_reads_after_pause_and_resume(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    assert epoll_watchers(connection) == []
    connection.peer.send(b"late")
    connection.transport.resume_reading()
    assert await connection.reader.readexactly(4) == b"late"
    await connection.close()
