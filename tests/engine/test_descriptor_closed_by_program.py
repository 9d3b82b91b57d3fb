"""When the program closes the descriptor of an open connection, nothing is sent to a socket that reuses its number."""

import asyncio
import errno
import select
import socket

import pytest

import sluiceway
from engine.peer_connections import loops_with_immediate_wakeup, open_connections, wait_for_readers
from support.connections import server_address
from support.raw_peer import RawPeers


async def connection_with_reused_descriptor(raw_peers: RawPeers) -> tuple:
    """Return a connection whose descriptor is closed, and a socket pair of which one socket has the same number."""
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    sock = writer.transport._sock
    number = sock.fileno()
    sock.close()
    pair = socket.socketpair()
    assert number in {one.fileno() for one in pair}
    return reader, writer, peer, pair


def check_nothing_received(pair: tuple[socket.socket, socket.socket]) -> None:
    """Check that the sockets are connected to each other and have received nothing. Close both."""
    for one in pair:
        one.setblocking(False)
        with pytest.raises(BlockingIOError):
            one.recv(100)
    for one in pair:
        one.close()


async def close_with_bad_descriptor(writer: sluiceway.StreamWriter) -> None:
    """Close a writer whose descriptor the program has closed."""
    writer.close()
    with pytest.raises(OSError) as caught:
        await writer.wait_closed()
    assert caught.value.errno == errno.EBADF


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_write_to_a_closed_descriptor_is_not_sent_to_a_socket_with_its_number(raw_peers: RawPeers) -> None:
    _, writer, _, pair = await connection_with_reused_descriptor(raw_peers)
    writer.write(b"secret")
    with pytest.raises(OSError):
        await writer.drain()
    check_nothing_received(pair)
    await close_with_bad_descriptor(writer)


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_write_eof_on_a_closed_descriptor_does_not_shut_down_a_socket_with_its_number(
    raw_peers: RawPeers,
) -> None:
    _, writer, _, pair = await connection_with_reused_descriptor(raw_peers)
    writer.write_eof()
    check_nothing_received(pair)
    await close_with_bad_descriptor(writer)


@loops_with_immediate_wakeup
async def test_unsent_data_of_a_descriptor_that_the_reading_task_closes_is_not_sent(raw_peers: RawPeers) -> None:
    """The socket is ready for both directions, and the task that has received the bytes runs before the send."""
    [connection] = await open_connections(raw_peers)
    sock = connection.transport._sock
    number = sock.fileno()
    while not connection.transport.get_write_buffer_size():
        connection.writer.write(bytes(1 << 20))

    async def close_descriptor() -> tuple[socket.socket, socket.socket]:
        await connection.reader.readexactly(1)
        sock.close()
        return socket.socketpair()

    task = asyncio.create_task(close_descriptor())
    await wait_for_readers(connection)
    # The kernel then reports both events at once, because this thread does not run the loop in between.
    while not select.select([], [sock], [], 0)[1]:
        connection.peer.sock.recv(1 << 20)
    connection.peer.send(b"!")
    pair = await task
    assert number in {one.fileno() for one in pair}
    await close_with_bad_descriptor(connection.writer)
    check_nothing_received(pair)


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_accepted_connection_with_the_number_of_a_closed_descriptor_works(raw_peers: RawPeers) -> None:
    """The connection whose descriptor the program has closed was the only one of the loop until then."""

    numbers = []

    async def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        numbers.append(writer.transport.raw.fileno())
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        [connection] = await open_connections(raw_peers)
        client = raw_peers.connect(server_address(server))
        sock = connection.transport._sock
        number = sock.fileno()
        sock.close()
        client.send(b"hello\n")
        assert await client.in_thread(client.receive_rest) == b"hello\n"
        assert numbers == [number]
    connection.transport.abort()
