"""R3: an unread connection with a flooding peer buffers at most 2 x limit + 32 KiB, and loses no byte."""

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.flooding_peer import FloodingPeer
from support.memory_usage import buffered_size, retained_memory
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task, wait_until

KIB = 1024
LIMITS = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": 1024 * KIB}
every_limit = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
each_role = pytest.mark.parametrize("role", ["client", "server"])


def bound(limit: int) -> int:
    return 2 * limit + 32 * KIB


@contextlib.asynccontextmanager
async def flooded_reader(raw_peers: RawPeers, role: str, limit: int) -> AsyncIterator[tuple[Any, FloodingPeer]]:
    """Yield the reader of a connection that sluiceway opened (client) or accepted (server), and its flooding peer."""
    server = None
    if role == "client":
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address, limit=limit)
        peer = listener.accept()
    else:
        accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = await sluiceway.start_server(lambda *both: accepted.set_result(both), "127.0.0.1", 0, limit=limit)
        peer = raw_peers.connect(server_address(server))
        reader, writer = await accepted
    try:
        yield reader, FloodingPeer(peer)
    finally:
        writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        if server is not None:
            server.close()
            await server.wait_closed()


@each_role
@every_limit
@pytest.mark.parametrize("size", [4 * KIB, 250 * KIB], ids=["4 KiB", "250 KiB"])
async def test_flooded_reader_pauses_within_buffer_bound(raw_peers: RawPeers, role: str, limit: int, size: int) -> None:
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        empty = retained_memory(reader)
        await flood.send_until_blocked(reader, size)
        buffered = buffered_size(reader)
        assert retained_memory(reader) - empty <= bound(limit)
        assert buffered > limit, "reading paused below the limit"
        assert flood.sent > buffered, "nothing is left in the kernel"
        await run_iterations(20)
        assert buffered_size(reader) == buffered, "reading resumed without a read"
        assert await flood.read_all_with(reader.read) == flood.expected()
        assert not reader._paused
        await flood.send_until_blocked(reader, size)
        assert retained_memory(reader) - empty <= bound(limit)


@each_role
@pytest.mark.parametrize("sizes", [[1], [1, 3000], [2, 1, 1, 9000]], ids=repr)
async def test_reader_of_small_chunks_pauses_within_buffer_bound(
    raw_peers: RawPeers, role: str, sizes: list[int]
) -> None:
    """Each chunk is sent after the last was received, so that each is received alone."""
    limit = KIB if sizes == [1] else 16 * KIB
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        empty = retained_memory(reader)
        number = 0
        while not reader._paused:
            assert flood.send(sizes[number % len(sizes)])
            await wait_until(lambda: buffered_size(reader) == flood.sent or reader._paused)
            number += 1
            if number % 64 == 0:
                assert retained_memory(reader) - empty <= bound(limit)
        assert retained_memory(reader) - empty <= bound(limit)
        assert await flood.read_all_with(reader.read) == flood.expected()


@pytest.mark.loops("asyncio", "uvloop")
async def test_memory_allocated_for_flooded_connection_stays_within_buffer_bound(raw_peers: RawPeers) -> None:
    """The bound holds for all memory allocated since the connection was made, whichever object owns it."""
    limit = 64 * KIB
    async with flooded_reader(raw_peers, "client", limit) as (reader, flood):
        flood.send(1)
        assert await reader.readexactly(1)  # memory that the first arrival allocates exists now
        gc.collect()
        tracemalloc.start()
        try:
            await flood.send_until_blocked(reader)
            gc.collect()
            allocated, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert limit < allocated <= bound(limit)


@each_role
async def test_small_reads_pause_and_resume_within_buffer_bound(raw_peers: RawPeers, role: str) -> None:
    limit = 4 * KIB
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        empty = retained_memory(reader)
        received = bytearray()
        await flood.send_until_blocked(reader)
        while len(received) < 20 * limit:
            flood.send(65536)
            received += await reader.read(700)
            assert retained_memory(reader) - empty <= bound(limit)
        while len(received) < flood.sent:
            received += await reader.read(1 << 20)
        assert bytes(received) == flood.expected()


@each_role
async def test_readexactly_beyond_buffer_bound_completes(raw_peers: RawPeers, role: str) -> None:
    limit = KIB
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        await flood.send_until_blocked(reader)
        count = flood.sent
        task = await start_task(reader.readexactly(count + 500_000))
        while flood.sent < count + 500_000:
            flood.send(65536)
            await run_iterations(1)
        data = await task
        rest = b""
        while len(data) + len(rest) < flood.sent:
            rest += await reader.read(1 << 20)
        assert len(data) == count + 500_000
        assert data + rest == flood.expected()


@each_role
async def test_read_to_eof_beyond_buffer_bound_returns_every_byte(raw_peers: RawPeers, role: str) -> None:
    async with flooded_reader(raw_peers, role, KIB) as (reader, flood):
        await flood.send_until_blocked(reader)
        task = await start_task(reader.read())
        while flood.sent < 3_000_000:
            flood.send(65536)
            await run_iterations(1)
        flood.peer.half_close()
        assert await task == flood.expected()
        assert reader.at_eof()


async def check_cancelled_read_pauses(task: asyncio.Task[bytes], reader: Any, flood: Any) -> None:
    """Cancel the read. What has arrived stays buffered, and nothing more is received until it is read."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    buffered = buffered_size(reader)
    await flood.send_until_blocked(reader)
    assert buffered_size(reader) == buffered
    assert await flood.read_all_with(reader.read) == flood.expected()


@each_role
async def test_cancelled_readexactly_keeps_bytes_and_pauses(raw_peers: RawPeers, role: str) -> None:
    limit = 16 * KIB
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        empty = retained_memory(reader)
        task = await start_task(reader.readexactly(1 << 40))
        while buffered_size(reader) < 1_000_000:
            flood.send(65536)
            await run_iterations(1)
        await check_cancelled_read_pauses(task, reader, flood)
        await flood.send_until_blocked(reader)
        assert retained_memory(reader) - empty <= bound(limit)


@each_role
async def test_cancelled_read_to_eof_keeps_bytes_and_pauses(raw_peers: RawPeers, role: str) -> None:
    limit = 16 * KIB
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        task = await start_task(reader.read())
        while buffered_size(reader) < 500_000:
            flood.send(65536)
            await run_iterations(1)
        await check_cancelled_read_pauses(task, reader, flood)


@each_role
@pytest.mark.parametrize("how", ["abort", "close"])
async def test_closed_connection_returns_buffered_bytes(raw_peers: RawPeers, role: str, how: str) -> None:
    """Reading frees space, but does not resume a transport that is closed."""
    limit = KIB
    async with flooded_reader(raw_peers, role, limit) as (reader, flood):
        await flood.send_until_blocked(reader)
        buffered = buffered_size(reader)
        getattr(reader._transport, how)()
        await wait_until(lambda: reader._eof)
        parts = [await reader.read(100), await reader.readexactly(1500)]
        while part := await reader.read(100):
            parts.append(part)
        assert b"".join(parts) == flood.expected()[:buffered]


@each_role
async def test_read_cancelled_after_abort_keeps_buffered_bytes(raw_peers: RawPeers, role: str) -> None:
    """A cancelled read beyond the bound does not pause a transport that is closed."""
    async with flooded_reader(raw_peers, role, KIB) as (reader, flood):
        task = await start_task(reader.readexactly(1 << 40))
        while buffered_size(reader) < 100_000:
            flood.send(65536)
            await run_iterations(1)
        reader._transport.abort()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        buffered = buffered_size(reader)
        await wait_until(lambda: reader._eof)
        assert await reader.read() == flood.expected()[:buffered]


async def test_paused_unread_connection_closes(raw_peers: RawPeers) -> None:
    async with flooded_reader(raw_peers, "server", KIB) as (reader, flood):
        await flood.send_until_blocked(reader)
