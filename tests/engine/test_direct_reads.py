"""A large readexactly() is received directly into its result, and keeps the rules of every read."""

import asyncio
import tracemalloc

import pytest

from engine.peer_connections import PeerConnection, open_connections
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until

SIZE = 3_000_000
RECORD = bytes(range(251)) * (SIZE // 251 + 1)
RECORD = RECORD[:SIZE]


async def start_direct_read(connection: PeerConnection, size: int = SIZE) -> "asyncio.Task[bytes]":
    """Start a readexactly(); return its task when 50,000 bytes are in the direct buffer."""
    task = await start_task(connection.reader.readexactly(size))
    connection.peer.send(RECORD[:1000])
    await wait_until(lambda: connection.reader._sluiceway.buffer.size() == 1000)
    connection.peer.send(RECORD[1000:50_000])
    await wait_until(lambda: connection.reader._sluiceway.buffer.size() == 50_000)
    assert type(connection.reader._sluiceway.buffer).__name__ == "DirectBuffer"
    return task


async def test_direct_read_returns_its_bytes_and_leaves_those_after_it(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await start_direct_read(connection)
    await connection.peer.in_thread(connection.peer.send, RECORD[50_000:] + b"after it")
    assert await task == RECORD
    assert await connection.reader.readexactly(8) == b"after it"
    assert type(connection.reader._sluiceway.buffer).__name__ == "ChunkBuffer"
    await connection.close()


async def test_cancelled_direct_read_keeps_received_bytes(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await start_direct_read(connection)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await connection.reader.readexactly(50_000) == RECORD[:50_000]
    connection.peer.send(b"goes on")
    assert await connection.reader.readexactly(7) == b"goes on"
    await connection.close()


async def test_eof_during_a_direct_read_raises_incomplete_read_error(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await start_direct_read(connection)
    connection.peer.half_close()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await task
    assert caught.value.partial == RECORD[:50_000]
    assert caught.value.expected == SIZE
    assert await connection.reader.read() == b""
    await connection.close()


async def test_access_to_reader_buffer_during_a_direct_read_keeps_received_bytes(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await start_direct_read(connection)
    assert connection.reader._buffer == RECORD[:50_000]
    await connection.peer.in_thread(connection.peer.send, RECORD[50_000:])
    assert await task == RECORD
    await connection.close()


async def test_feed_data_during_a_direct_read_is_appended_in_order(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    task = await start_direct_read(connection, 100_000)
    connection.reader.feed_data(b"f" * 20_000)
    connection.peer.send(b"w" * 30_000)
    assert await task == RECORD[:50_000] + b"f" * 20_000 + b"w" * 30_000
    # More at once than the read needs.
    task = await start_direct_read(connection, 100_000)
    connection.reader.feed_data(b"f" * 60_000)
    assert await task == RECORD[:50_000] + b"f" * 50_000
    assert await connection.reader.readexactly(10_000) == b"f" * 10_000
    await connection.close()


async def test_direct_read_of_a_huge_count_allocates_at_most_1_mib_ahead(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    tracemalloc.start()
    try:
        task = await start_direct_read(connection, 1 << 40)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 1 MiB ahead of the received data, and the objects of the test.
    assert held < 1_500_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await connection.close()


async def test_large_reads_return_at_most_n_bytes_and_lose_none(raw_peers: RawPeers):
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
