"""Flow control, half-close and reset on the engine's transport, with every byte checked."""

import asyncio
import random

import pytest

from engine.epoll_descriptors import epoll_watchers
from engine.peer_connections import open_connections, wait_for_readers
from support.raw_peer import RawPeers

SIZE = 4_000_000


@pytest.mark.parametrize("high", [0, 1, 1000, 65536, 10_000_000])
async def test_writes_of_all_sizes_arrive_in_order_with_any_high_water_mark(raw_peers: RawPeers, high: int):
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


async def test_unread_data_pauses_reading_and_is_read_completely_later(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers, limit=1000)
    data = random.Random(5).randbytes(SIZE)

    def send():
        connection.peer.send(data)
        connection.peer.half_close()

    sending = asyncio.create_task(connection.peer.in_thread(send))
    # The program reads nothing before the transport is paused.
    while connection.transport.is_reading():
        await asyncio.sleep(0)
    assert connection.reader._sluiceway.buffer.size() < 70_000
    got = bytearray()
    while chunk := await connection.reader.read(3000):
        got += chunk
    await sending
    assert got == data
    await connection.close()


async def test_pause_reading_by_the_program_delays_data_until_resume_reading(raw_peers: RawPeers):
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


async def test_large_write_after_the_peers_eof_is_sent_completely(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.peer.send(b"request")
    connection.peer.half_close()
    assert await connection.reader.read() == b"request"
    assert not connection.transport.is_closing()
    data = random.Random(6).randbytes(SIZE)
    connection.writer.write(data)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive_rest))
    await connection.writer.drain()
    await connection.close()
    assert await receiving == data


async def test_eof_received_while_paused_is_reported_after_resume_reading(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    connection.peer.send(b"last data")
    connection.peer.half_close()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not connection.reader.at_eof()
    connection.transport.resume_reading()
    assert await connection.reader.read() == b"last data"
    await connection.close()


async def test_reset_received_while_paused_is_raised_after_resume_reading(raw_peers: RawPeers):
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


async def test_reset_discards_pending_data(raw_peers: RawPeers):
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


async def test_connection_ended_on_both_sides_is_not_watched(raw_peers: RawPeers):
    # Two, because the loop itself watches a sole socket.
    [connection, other] = await open_connections(raw_peers, 2)
    assert len(epoll_watchers(connection)) == 1
    connection.peer.half_close()
    assert await connection.reader.read() == b""
    connection.writer.write_eof()
    connection.peer.close()
    # The kernel would report the hang-up repeatedly to an epoll descriptor that still watches.
    assert epoll_watchers(connection) == []
    await connection.close()
    await other.close()
