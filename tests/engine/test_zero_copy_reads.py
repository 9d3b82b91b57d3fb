"""A large readexactly is received into its result; what happens to it on the way is what happens to any read."""

import asyncio
import random
import tracemalloc

import pytest

from engine.peer_connections import PeerConnection, open_connections
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until

SIZE = 3_000_000
RECORD = bytes(range(251)) * (SIZE // 251 + 1)
RECORD = RECORD[:SIZE]


async def landing(connection: PeerConnection, size: int = SIZE) -> "asyncio.Task[bytes]":
    """Start a readexactly and return its task when some of its bytes have landed."""
    task = await start_task(connection.reader.readexactly(size))
    connection.peer.send(RECORD[:1000])
    await wait_until(lambda: connection.reader._sluiceway.buffer.size() == 1000)
    connection.peer.send(RECORD[1000:50_000])
    await wait_until(lambda: connection.reader._sluiceway.buffer.size() == 50_000)
    assert type(connection.reader._sluiceway.buffer).__name__ == "DirectBuffer"
    return task


async def test_it_is_whole_and_what_follows_is_not_touched(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await landing(connection)
    await connection.peer.in_thread(connection.peer.send, RECORD[50_000:] + b"after it")
    assert await task == RECORD
    assert await connection.reader.readexactly(8) == b"after it"
    assert type(connection.reader._sluiceway.buffer).__name__ == "ChunkBuffer"
    await connection.close()


async def test_cancelled_it_has_taken_nothing(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await landing(connection)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await connection.reader.readexactly(50_000) == RECORD[:50_000]
    connection.peer.send(b"goes on")
    assert await connection.reader.readexactly(7) == b"goes on"
    await connection.close()


async def test_the_input_ends_before(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await landing(connection)
    connection.peer.half_close()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await task
    assert caught.value.partial == RECORD[:50_000]
    assert caught.value.expected == SIZE
    assert await connection.reader.read() == b""
    await connection.close()


async def test_somebody_touches_the_buffer_meanwhile(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await landing(connection)
    assert connection.reader._buffer == RECORD[:50_000]
    await connection.peer.in_thread(connection.peer.send, RECORD[50_000:])
    assert await task == RECORD
    await connection.close()


async def test_somebody_feeds_the_reader_meanwhile(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await landing(connection, 100_000)
    connection.reader.feed_data(b"f" * 20_000)
    connection.peer.send(b"w" * 30_000)
    assert await task == RECORD[:50_000] + b"f" * 20_000 + b"w" * 30_000
    # More at once than is lacking.
    task = await landing(connection, 100_000)
    connection.reader.feed_data(b"f" * 60_000)
    assert await task == RECORD[:50_000] + b"f" * 50_000
    assert await connection.reader.readexactly(10_000) == b"f" * 10_000
    await connection.close()


async def test_a_count_that_a_peer_made_up_costs_no_memory(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    tracemalloc.start()
    try:
        task = await landing(connection, 1 << 40)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 1 MiB ahead of what has arrived, and what else a test holds.
    assert held < 1_500_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await connection.close()


async def test_reads_of_much_are_received_for_directly(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    got = b""
    task = asyncio.create_task(connection.peer.in_thread(connection.peer.send, RECORD))
    while len(got) < SIZE:
        piece = await connection.reader.read(65536)
        assert 0 < len(piece) <= 65536
        got += piece
    await task
    assert got == RECORD
    await connection.close()


def test_as_a_buffer_it_is_like_any_other() -> None:
    """Against a bytearray: what is received, appended and taken, of every size."""
    direct_buffer = pytest.importorskip("sluiceway._core_c.direct_buffer")
    buffer = pytest.importorskip("sluiceway._core_c.chunk_buffer")
    chance = random.Random(8)
    for _ in range(300):
        plain, model = buffer.ChunkBuffer(), bytearray()
        start = chance.randbytes(chance.choice((0, 10, 3000)))
        if start:
            plain.append(start)
            model += start
        one = direct_buffer.DirectBuffer(plain, len(start) + 100_000, chance.choice((100, 5000, 1 << 20)))
        for _ in range(20):
            what = chance.choice(("receive", "receive", "append", "take", "nothing", "clear"))
            data = chance.randbytes(chance.choice((1, 100, 16_384)))
            if what == "receive" and (memory := one.direct(len(data))) is not None:
                with memoryview(memory) as view:
                    view[: len(data)] = data
                    one.direct_committed(len(data))
                model += data
            elif what == "append":
                assert one.append(data) == len(model) + len(data)
                model += data
            elif what == "nothing":
                one.append(b"")
            elif what == "take":
                n = chance.choice((1, 50, 20_000))
                assert one.take(n) == model[:n]
                del model[:n]
            elif what == "clear" and chance.random() < 0.2:
                one.clear()
                model.clear()
            assert one.size() == len(model)
        assert one.plain_buffer() is plain
        assert plain.take_all() == model
