"""R3 over TLS: what is held of a flood that nobody reads is at most 2 x limit + 32 KiB, whatever the records.

That is room for a record that was begun when reading stopped, and for the one in which the bound was reached.
test_flooding_peers.py shows what becomes of the peer.
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
from support.tls_connections import TLS_ROLES, manual_tls_connection

KIB = 1024
RECORD = 16 * KIB

every_side = pytest.mark.parametrize("role", TLS_ROLES)


def bound(limit: int) -> int:
    return 2 * limit + 32 * KIB


@contextlib.asynccontextmanager
async def flooded(
    role: str, raw_peers: RawPeers, tls: Certificates, limit: int
) -> AsyncIterator[tuple[Any, TLSFloodingPeer]]:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        yield reader, TLSFloodingPeer(peer, manual_tls)


async def hold_to_the_bound(reader: Any, flood: TLSFloodingPeer, limit: int, size: int) -> None:
    """Flood it, twice; fail where more is held than may be."""
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
@every_side
async def test_a_flood_is_stopped_at_the_bound(
    role: str, limit: int, size: int, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with flooded(role, raw_peers, tls, limit) as (reader, flood):
        await hold_to_the_bound(reader, flood, limit, size)


@every_side
async def test_nothing_is_held_of_a_flood_that_was_read(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with flooded(role, raw_peers, tls, 64 * KIB) as (reader, flood):
        empty = retained_memory(reader)
        await flood.send_until_blocked(reader, 1000)
        assert retained_memory(reader) - empty > 64 * KIB
        assert await flood.read_all_with(reader.read) == flood.expected()
        assert retained_memory(reader) - empty < KIB


@every_side
async def test_where_feed_data_is_somebody_elses(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """Its author sees every byte; no connection is excepted from the bound."""
    limit = 4 * KIB
    async with flooded(role, raw_peers, tls, limit) as (reader, flood):
        seen = 0
        feed_data = reader.feed_data

        def counting(data: bytes) -> None:
            nonlocal seen
            seen += len(data)
            feed_data(data)

        reader.feed_data = counting
        await hold_to_the_bound(reader, flood, limit, RECORD)
        assert seen > 0


@every_side
async def test_small_records_are_held_small(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """One byte in each, and each received alone: with an object for each the bound would be overrun many times."""
    limit = KIB
    async with flooded(role, raw_peers, tls, limit) as (reader, flood):
        empty = retained_memory(reader)
        while not reader._paused:
            assert flood.send(1)
            await wait_until(lambda: buffered_size(reader) == flood.sent or reader._paused)
        assert buffered_size(reader) > limit
        assert retained_memory(reader) - empty <= 4 * limit
        assert await flood.read_all_with(reader.read) == flood.expected()


@pytest.mark.loops("asyncio", "uvloop")
@every_side
async def test_by_what_python_allocated(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """The same from outside, whoever holds it."""
    limit = 64 * KIB
    async with flooded(role, raw_peers, tls, limit) as (reader, flood):
        flood.send(1)
        assert await reader.readexactly(1)  # memory that is made at the first arrival is there now
        gc.collect()
        tracemalloc.start()
        try:
            await flood.send_until_blocked(reader, RECORD)
            gc.collect()
            allocated = tracemalloc.get_traced_memory()[0] - len(flood.pending)
        finally:
            tracemalloc.stop()
        assert limit < allocated <= bound(limit)


@every_side
async def test_reading_in_small_pieces(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    limit = 4 * KIB
    async with flooded(role, raw_peers, tls, limit) as (reader, flood):
        empty = retained_memory(reader)
        got = bytearray()
        await flood.send_until_blocked(reader)
        while len(got) < 20 * limit:
            flood.send(65536)
            got += await reader.read(700)
            await run_iterations(1)
            assert retained_memory(reader) - empty <= bound(limit)
        assert bytes(got) == flood.expected()[: len(got)]
