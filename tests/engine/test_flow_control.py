"""Flow control both ways, half-closes and resets on the engine's transport, with every byte checked."""

import asyncio
import pathlib
import random
import socket

import pytest

import sluiceway
from engine.peer_connections import PeerConnection, open_connections, wait_for_readers
from support import file_descriptors
from support.raw_peer import RawPeers

SIZE = 4_000_000


async def test_a_slow_peer_stops_the_writer(raw_peers: RawPeers):
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    # A buffer of a size that is set does not grow, however much memory the kernel may give to others.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    data = random.Random(3).randbytes(SIZE)
    writer.write(data)
    assert writer.transport.get_write_buffer_size() > 65536
    draining = asyncio.create_task(writer.drain())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not draining.done()
    first = await peer.in_thread(peer.receive, SIZE - 1000)
    await draining
    assert writer.transport.get_write_buffer_size() <= 16384
    assert first + await peer.in_thread(peer.receive, 1000) == data
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("high", [0, 1, 1000, 65536, 10_000_000])
async def test_written_in_pieces_of_every_size(raw_peers: RawPeers, high: int):
    [connection] = await open_connections(raw_peers)
    connection.transport.set_write_buffer_limits(high)
    chance = random.Random(high)
    pieces = [chance.randbytes(chance.choice((1, 7, 100, 5000, 70_000, 300_000))) for _ in range(150)]
    total = sum(map(len, pieces))
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, total))
    for number, piece in enumerate(pieces):
        connection.writer.write(piece)
        if number % 3 == 0:
            await connection.writer.drain()
    connection.writer.write_eof()
    assert await receiving == b"".join(pieces)
    assert await connection.peer.in_thread(connection.peer.receive_rest) == b""
    await connection.close()


async def test_a_close_sends_the_backlog(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    data = random.Random(4).randbytes(SIZE)
    connection.writer.write(data)
    connection.writer.close()
    assert await connection.peer.in_thread(connection.peer.receive_rest) == data
    await connection.writer.wait_closed()


async def test_a_reader_that_reads_little_stops_the_peer(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers, limit=1000)
    data = random.Random(5).randbytes(SIZE)

    def send():
        connection.peer.send(data)
        connection.peer.half_close()

    sending = asyncio.create_task(connection.peer.in_thread(send))
    # Not one byte is read before the transport is paused.
    while connection.transport.is_reading():
        await asyncio.sleep(0)
    assert connection.reader._sluiceway.buffer.size() < 70_000
    got = bytearray()
    while chunk := await connection.reader.read(3000):
        got += chunk
    await sending
    assert got == data
    await connection.close()


async def test_pause_and_resume_by_the_program(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    connection.transport.pause_reading()
    assert not connection.transport.is_reading()
    reading = asyncio.create_task(connection.reader.readexactly(4))
    await wait_for_readers(connection)
    connection.peer.send(b"data")
    for _ in range(20):
        await asyncio.sleep(0)
    assert not reading.done()
    connection.transport.resume_reading()
    connection.transport.resume_reading()
    assert connection.transport.is_reading()
    assert await reading == b"data"
    await connection.close()


async def test_half_closed_by_us(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.writer.write(b"question")
    connection.writer.write_eof()
    assert await connection.peer.in_thread(connection.peer.receive_rest) == b"question"
    connection.peer.send(b"answer")
    connection.peer.close()
    assert await connection.reader.read() == b"answer"
    await connection.close()


async def test_half_closed_by_the_peer(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.peer.send(b"question")
    connection.peer.half_close()
    assert await connection.reader.read() == b"question"
    assert not connection.transport.is_closing()
    data = random.Random(6).randbytes(SIZE)
    connection.writer.write(data)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive_rest))
    await connection.writer.drain()
    await connection.close()
    assert await receiving == data


async def test_an_end_while_paused_is_told_after_resuming(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    connection.peer.send(b"last words")
    connection.peer.half_close()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not connection.reader.at_eof()
    connection.transport.resume_reading()
    assert await connection.reader.read() == b"last words"
    await connection.close()


async def test_a_reset_while_paused_is_told_after_resuming(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    connection.peer.reset()
    for _ in range(20):
        await asyncio.sleep(0)
    connection.transport.resume_reading()
    with pytest.raises(ConnectionResetError):
        await connection.reader.read(1)
    connection.writer.close()
    with pytest.raises(ConnectionResetError):
        await connection.writer.wait_closed()


async def test_a_reset_while_a_backlog_waits(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.writer.write(bytes(20_000_000))
    draining = asyncio.create_task(connection.writer.drain())
    await asyncio.sleep(0)
    connection.peer.reset()
    with pytest.raises(ConnectionError):
        await draining
    assert connection.transport.get_write_buffer_size() == 0
    connection.writer.close()
    with pytest.raises(ConnectionError):
        await connection.writer.wait_closed()


async def test_an_ended_connection_keeps_nobody_busy(raw_peers: RawPeers):
    # Two: the loop itself watches an only one, in its own time.
    [connection, other] = await open_connections(raw_peers, 2)
    assert watchers(connection) == 1
    connection.peer.half_close()
    assert await connection.reader.read() == b""
    connection.writer.write_eof()
    connection.peer.close()
    # Both sides have ended: the kernel would report the hang-up for ever to whoever still asked.
    assert watchers(connection) == 0
    await connection.close()
    await other.close()


def watchers(connection: PeerConnection) -> int:
    """How many epoll descriptors of this process watch the connection of ``end``, as the kernel lists them."""
    watched = f"tfd:{connection.transport.get_extra_info('socket').fileno():>9} "
    count = 0
    for number, target in file_descriptors.open_descriptors():
        if "eventpoll" in target:
            count += watched in pathlib.Path(f"/proc/self/fdinfo/{number}").read_text()
    return count
