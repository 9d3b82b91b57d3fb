"""A connection whose epoll registration fails ends with the kernel's error; the other connections keep working."""

import asyncio
import errno

import pytest

import sluiceway
from engine.epoll_descriptors import epoll_replaced, epoll_watchers
from engine.peer_connections import PeerConnection, abort_connections, open_connections, run_in_poller_step
from support.flooding_peer import FloodingPeer
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, wait_until

# libuv aborts the process when a registration of the poller's descriptor fails.
pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

LARGE = bytes(20_000_000)


async def assert_ended_with_einval(connection: PeerConnection) -> None:
    with pytest.raises(OSError) as caught:
        await connection.reader.read(1)
    assert caught.value.errno == errno.EINVAL
    connection.writer.close()
    with pytest.raises(OSError) as caught:
        await connection.writer.wait_closed()
    assert caught.value.errno == errno.EINVAL
    try:
        # The data that the kernel accepted at once, and no other.
        assert LARGE.startswith(await connection.peer.in_thread(connection.peer.receive_rest))
    except ConnectionResetError:
        pass


async def assert_usable(connection: PeerConnection) -> None:
    connection.writer.write(b"still ")
    connection.peer.send(b"here")
    assert await connection.reader.readexactly(4) == b"here"
    assert connection.peer.receive(6) == b"still "


async def test_failed_registration_at_connect_ends_the_connection(raw_peers: RawPeers):
    # Two, because the loop itself watches a sole socket.
    [other, another] = await open_connections(raw_peers, 2)
    listener = raw_peers.listen()
    [poller] = epoll_watchers(other)
    with epoll_replaced(poller):
        reader, writer = await sluiceway.open_connection(*listener.address)
        refused = PeerConnection(reader, writer, listener.accept())
        await run_iterations(5)
    await assert_ended_with_einval(refused)
    await assert_usable(other)
    await other.close()
    await another.close()


async def test_failed_registration_at_accept_ends_the_connection(raw_peers: RawPeers):
    # Two, because the loop itself watches a sole socket.
    [other, another] = await open_connections(raw_peers, 2)
    [poller] = epoll_watchers(other)
    results = asyncio.Queue()

    async def handle(reader, writer):
        try:
            await results.put(await reader.read(100))
        except OSError as error:
            await results.put(error.errno)
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        with epoll_replaced(poller):
            refused = raw_peers.connect(address)
            refused.send(b"never read")
            assert await results.get() == errno.EINVAL
        accepted = raw_peers.connect(address)
        accepted.send(b"read")
        assert await results.get() == b"read"
        refused.close()
        accepted.close()
    await assert_usable(other)
    await other.close()
    await another.close()


async def test_failed_registration_at_resume_reading_ends_the_connection(raw_peers: RawPeers):
    other, connection = await open_connections(raw_peers, 2, limit=1000)
    flood = FloodingPeer(connection.peer)
    await flood.send_until_blocked(connection.reader)
    [poller] = epoll_watchers(other)
    with epoll_replaced(poller):
        # Reads may return buffered data first; a read that needs more raises.
        with pytest.raises(OSError) as caught:
            while await connection.reader.read(500):
                pass
        assert caught.value.errno == errno.EINVAL
        await run_iterations(5)
    connection.peer.sock.close()
    await wait_until(lambda: connection.transport.is_closing())
    with pytest.raises(OSError):
        while await connection.reader.read(500):
            pass
    await assert_usable(other)
    await abort_connections([other, connection])


async def test_failed_registration_of_a_partial_write_ends_the_connection(raw_peers: RawPeers):
    other, connection = await open_connections(raw_peers, 2)
    [poller] = epoll_watchers(other)
    with epoll_replaced(poller):
        try:
            connection.writer.write(LARGE)
        except OSError:
            pytest.fail("write() must not raise; drain() does")
        with pytest.raises(OSError):
            await connection.writer.drain()
        await run_iterations(5)
    await assert_ended_with_einval(connection)
    await assert_usable(other)
    await other.close()


async def test_failed_registration_of_a_corked_write_ends_the_connection(raw_peers: RawPeers):
    *connections, refused, last = await open_connections(raw_peers, 6)
    [poller] = epoll_watchers(last)

    async def step():
        with epoll_replaced(poller):
            for connection in [*connections, refused, last]:
                connection.writer.write(b"corked")
            refused.writer.transport.set_write_buffer_limits(100_000_000)
            for _ in range(300):
                refused.writer.write(bytes(65_000))
            await run_iterations(5)

    await run_in_poller_step(connections[0], step)
    for connection in [*connections, last]:
        assert connection.peer.receive(6) == b"corked"
    with pytest.raises(OSError):
        await refused.reader.read(1)
    await abort_connections([*connections, refused, last])
