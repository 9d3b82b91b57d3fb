"""R3 over TLS: unread data of a flooding peer uses at most 2 x limit + 32 KiB of memory, whatever its records.

32 KiB hold a partial record and the record that reached the bound. test_flooding_peers.py tests the peer's side.
"""

import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.certificates import Certificates
from support.flooding_peer import TLSFloodingPeer
from support.memory_usage import buffered_size, retained_memory
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, wait_until
from support.tls_connections import TLS_SIDES, manual_tls_connection

KIB = 1024
RECORD = 16 * KIB

each_role = pytest.mark.parametrize("role", TLS_SIDES)


def bound(limit: int) -> int:
    return 2 * limit + 32 * KIB


@contextlib.asynccontextmanager
async def flooding_peer(
    role: str, raw_peers: RawPeers, tls: Certificates, limit: int
) -> AsyncIterator[tuple[Any, TLSFloodingPeer]]:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        yield reader, TLSFloodingPeer(peer, manual_tls)


async def assert_bounded(reader: Any, flood: TLSFloodingPeer, limit: int, size: int) -> None:
    """Flood the reader twice; fail if it buffers more than the bound."""
    empty = retained_memory(reader)
    await flood.send_until_blocked(reader, size)
    assert limit < buffered_size(reader) <= 2 * limit + RECORD
    assert retained_memory(reader) - empty <= bound(limit)
    assert await flood.read_all_with(reader.read) == flood.expected()
    await flood.send_until_blocked(reader, size)
    assert buffered_size(reader) <= 2 * limit + RECORD
    assert retained_memory(reader) - empty <= bound(limit)


@pytest.mark.parametrize("size", [1000, RECORD, 250 * KIB], ids=["1000 bytes", "a record", "250 KiB"])
@pytest.mark.parametrize("limit", [KIB, 64 * KIB], ids=["1 KiB", "64 KiB"])
@each_role
async def test_buffer_memory_is_bounded_while_the_peer_floods(
    role: str, limit: int, size: int, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, flood):
        await assert_bounded(reader, flood, limit, size)


@each_role
async def test_buffer_memory_is_released_after_the_flood_was_read(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with flooding_peer(role, raw_peers, tls, 64 * KIB) as (reader, flood):
        empty = retained_memory(reader)
        await flood.send_until_blocked(reader, 1000)
        assert retained_memory(reader) - empty > 64 * KIB
        assert await flood.read_all_with(reader.read) == flood.expected()
        assert retained_memory(reader) - empty < KIB


@each_role
async def test_buffer_memory_is_bounded_with_a_replaced_feed_data(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """R3: the replacement receives every byte, and the bound applies as well."""
    limit = 4 * KIB
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, flood):
        fed = 0
        feed_data = reader.feed_data

        def counting(data: bytes) -> None:
            nonlocal fed
            fed += len(data)
            feed_data(data)

        reader.feed_data = counting
        await assert_bounded(reader, flood, limit, RECORD)
        assert fed > 0


@each_role
async def test_records_of_one_byte_are_merged_in_memory(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """R3: with an object for each byte the memory would exceed the bound many times."""
    limit = KIB
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, flood):
        empty = retained_memory(reader)
        while not reader._paused:
            assert flood.send(1)
            await wait_until(lambda: buffered_size(reader) == flood.sent or reader._paused)
        assert buffered_size(reader) > limit
        assert retained_memory(reader) - empty <= 4 * limit
        assert await flood.read_all_with(reader.read) == flood.expected()


@pytest.mark.loops("asyncio", "uvloop")
@each_role
async def test_memory_allocated_by_python_is_bounded_while_the_peer_floods(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """R3: measured by tracemalloc, whichever object holds the memory."""
    limit = 64 * KIB
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, flood):
        flood.send(1)
        assert await reader.readexactly(1)  # the memory of the first arrival is allocated
        gc.collect()
        tracemalloc.start()
        try:
            await flood.send_until_blocked(reader, RECORD)
            gc.collect()
            allocated = tracemalloc.get_traced_memory()[0] - len(flood.pending)
        finally:
            tracemalloc.stop()
        assert limit < allocated <= bound(limit)


@each_role
async def test_buffer_memory_is_bounded_while_reading_in_small_pieces(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    limit = 4 * KIB
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, flood):
        empty = retained_memory(reader)
        received = bytearray()
        await flood.send_until_blocked(reader)
        while len(received) < 20 * limit:
            flood.send(65536)
            received += await reader.read(700)
            await run_iterations(1)
            assert retained_memory(reader) - empty <= bound(limit)
        assert bytes(received) == flood.expected()[: len(received)]
