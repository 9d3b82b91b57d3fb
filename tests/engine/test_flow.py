"""Flow control both ways, half-closes and resets on the engine's transport, with every byte checked."""

import asyncio
import pathlib
import random
import socket

import pytest

import sluiceway
from engine.ends import End, opened, waiting
from support import guards
from support.peer import Peers

SIZE = 4_000_000


async def test_a_slow_peer_stops_the_writer(peer: Peers):
    listener = peer.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    wire = listener.accept()
    # A buffer of a size that is set does not grow, however much memory the kernel may give to others.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    data = random.Random(3).randbytes(SIZE)
    writer.write(data)
    assert writer.transport.get_write_buffer_size() > 65536
    draining = asyncio.create_task(writer.drain())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not draining.done()
    first = await wire.in_thread(wire.receive, SIZE - 1000)
    await draining
    assert writer.transport.get_write_buffer_size() <= 16384
    assert first + await wire.in_thread(wire.receive, 1000) == data
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("high", [0, 1, 1000, 65536, 10_000_000])
async def test_written_in_pieces_of_every_size(peer: Peers, high: int):
    [end] = await opened(peer)
    end.transport.set_write_buffer_limits(high)
    chance = random.Random(high)
    pieces = [chance.randbytes(chance.choice((1, 7, 100, 5000, 70_000, 300_000))) for _ in range(150)]
    total = sum(map(len, pieces))
    receiving = asyncio.create_task(end.wire.in_thread(end.wire.receive, total))
    for number, piece in enumerate(pieces):
        end.writer.write(piece)
        if number % 3 == 0:
            await end.writer.drain()
    end.writer.write_eof()
    assert await receiving == b"".join(pieces)
    assert await end.wire.in_thread(end.wire.receive_rest) == b""
    await end.close()


async def test_a_close_sends_the_backlog(peer: Peers):
    [end] = await opened(peer)
    data = random.Random(4).randbytes(SIZE)
    end.writer.write(data)
    end.writer.close()
    assert await end.wire.in_thread(end.wire.receive_rest) == data
    await end.writer.wait_closed()


async def test_a_reader_that_reads_little_stops_the_peer(peer: Peers):
    [end] = await opened(peer, limit=1000)
    data = random.Random(5).randbytes(SIZE)

    def send():
        end.wire.send(data)
        end.wire.half_close()

    sending = asyncio.create_task(end.wire.in_thread(send))
    # Not one byte is read before the transport is paused.
    while end.transport.is_reading():
        await asyncio.sleep(0)
    assert end.reader._ps_unread.held() < 70_000
    got = bytearray()
    while chunk := await end.reader.read(3000):
        got += chunk
    await sending
    assert got == data
    await end.close()


async def test_paused_and_resumed_by_hand(peer: Peers):
    [end] = await opened(peer)
    end.transport.pause_reading()
    end.transport.pause_reading()
    assert not end.transport.is_reading()
    reading = asyncio.create_task(end.reader.readexactly(4))
    await waiting(end)
    end.wire.send(b"data")
    for _ in range(20):
        await asyncio.sleep(0)
    assert not reading.done()
    end.transport.resume_reading()
    end.transport.resume_reading()
    assert end.transport.is_reading()
    assert await reading == b"data"
    await end.close()


async def test_half_closed_by_us(peer: Peers):
    [end] = await opened(peer)
    end.writer.write(b"question")
    end.writer.write_eof()
    assert await end.wire.in_thread(end.wire.receive_rest) == b"question"
    end.wire.send(b"answer")
    end.wire.close()
    assert await end.reader.read() == b"answer"
    await end.close()


async def test_half_closed_by_the_peer(peer: Peers):
    [end] = await opened(peer)
    end.wire.send(b"question")
    end.wire.half_close()
    assert await end.reader.read() == b"question"
    assert not end.transport.is_closing()
    data = random.Random(6).randbytes(SIZE)
    end.writer.write(data)
    receiving = asyncio.create_task(end.wire.in_thread(end.wire.receive_rest))
    await end.writer.drain()
    await end.close()
    assert await receiving == data


async def test_an_end_while_paused_is_told_after_resuming(peer: Peers):
    [end] = await opened(peer)
    end.transport.pause_reading()
    end.wire.send(b"last words")
    end.wire.half_close()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not end.reader.at_eof()
    end.transport.resume_reading()
    assert await end.reader.read() == b"last words"
    await end.close()


async def test_a_reset_while_paused_is_told_after_resuming(peer: Peers):
    [end] = await opened(peer)
    end.transport.pause_reading()
    end.wire.reset()
    for _ in range(20):
        await asyncio.sleep(0)
    end.transport.resume_reading()
    with pytest.raises(ConnectionResetError):
        await end.reader.read(1)
    end.writer.close()
    with pytest.raises(ConnectionResetError):
        await end.writer.wait_closed()


async def test_a_reset_while_a_backlog_waits(peer: Peers):
    [end] = await opened(peer)
    end.writer.write(bytes(20_000_000))
    draining = asyncio.create_task(end.writer.drain())
    await asyncio.sleep(0)
    end.wire.reset()
    with pytest.raises(ConnectionError):
        await draining
    assert end.transport.get_write_buffer_size() == 0
    end.writer.close()
    with pytest.raises(ConnectionError):
        await end.writer.wait_closed()


async def test_an_ended_connection_keeps_nobody_busy(peer: Peers):
    # Two: the loop itself watches an only one, in its own time.
    [end, other] = await opened(peer, 2)
    assert watchers(end) == 1
    end.wire.half_close()
    assert await end.reader.read() == b""
    end.writer.write_eof()
    end.wire.close()
    # Both sides have ended: the kernel would report the hang-up for ever to whoever still asked.
    assert watchers(end) == 0
    await end.close()
    await other.close()


def watchers(end: End) -> int:
    """How many epoll descriptors of this process watch the connection of ``end``, as the kernel lists them."""
    watched = f"tfd:{end.transport.get_extra_info('socket').fileno():>9} "
    count = 0
    for number, target in guards.open_descriptors():
        if "eventpoll" in target:
            count += watched in pathlib.Path(f"/proc/self/fdinfo/{number}").read_text()
    return count
