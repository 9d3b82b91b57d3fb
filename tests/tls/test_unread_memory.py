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
from support.flood import SealedFlood
from support.held import held_bytes, unread_bytes
from support.peer import Peers
from support.tls_sides import SIDES, facing_by_hand
from support.turns import turns, until

KIB = 1024
RECORD = 16 * KIB

every_side = pytest.mark.parametrize("side", SIDES)


def bound(limit: int) -> int:
    return 2 * limit + 32 * KIB


@contextlib.asynccontextmanager
async def flooded(side: str, peer: Peers, tls: Certificates, limit: int) -> AsyncIterator[tuple[Any, SealedFlood]]:
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, _, wire, end):
        yield reader, SealedFlood(wire, end)


async def hold_to_the_bound(reader: Any, flood: SealedFlood, limit: int, size: int) -> None:
    """Flood it, twice; fail where more is held than may be."""
    empty = held_bytes(reader)
    await flood.until_stopped(reader, size)
    assert limit < unread_bytes(reader) <= 2 * limit + RECORD
    assert held_bytes(reader) - empty <= bound(limit)
    assert await flood.read_all_by(reader.read) == flood.expected()
    await flood.until_stopped(reader, size)
    assert unread_bytes(reader) <= 2 * limit + RECORD
    assert held_bytes(reader) - empty <= bound(limit)


@pytest.mark.parametrize("size", [1000, RECORD, 250 * KIB], ids=["1000 bytes", "a record", "250 KiB"])
@pytest.mark.parametrize("limit", [KIB, 64 * KIB], ids=["1 KiB", "64 KiB"])
@every_side
async def test_a_flood_is_stopped_at_the_bound(
    side: str, limit: int, size: int, peer: Peers, tls: Certificates
) -> None:
    async with flooded(side, peer, tls, limit) as (reader, flood):
        await hold_to_the_bound(reader, flood, limit, size)


@every_side
async def test_nothing_is_held_of_a_flood_that_was_read(side: str, peer: Peers, tls: Certificates) -> None:
    async with flooded(side, peer, tls, 64 * KIB) as (reader, flood):
        empty = held_bytes(reader)
        await flood.until_stopped(reader, 1000)
        assert held_bytes(reader) - empty > 64 * KIB
        assert await flood.read_all_by(reader.read) == flood.expected()
        assert held_bytes(reader) - empty < KIB


@every_side
async def test_where_feed_data_is_somebody_elses(side: str, peer: Peers, tls: Certificates) -> None:
    """Its author sees every byte; no connection is excepted from the bound."""
    limit = 4 * KIB
    async with flooded(side, peer, tls, limit) as (reader, flood):
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
async def test_small_records_are_held_small(side: str, peer: Peers, tls: Certificates) -> None:
    """One byte in each, and each received alone: with an object for each the bound would be overrun many times."""
    limit = KIB
    async with flooded(side, peer, tls, limit) as (reader, flood):
        empty = held_bytes(reader)
        while not reader._paused:
            assert flood.send(1)
            await until(lambda: unread_bytes(reader) == flood.sent or reader._paused)
        assert unread_bytes(reader) > limit
        assert held_bytes(reader) - empty <= 4 * limit
        assert await flood.read_all_by(reader.read) == flood.expected()


@pytest.mark.loops("asyncio", "uvloop")
@every_side
async def test_by_what_python_allocated(side: str, peer: Peers, tls: Certificates) -> None:
    """The same from outside, whoever holds it."""
    limit = 64 * KIB
    async with flooded(side, peer, tls, limit) as (reader, flood):
        flood.send(1)
        assert await reader.readexactly(1)  # memory that is made at the first arrival is there now
        gc.collect()
        tracemalloc.start()
        try:
            await flood.until_stopped(reader, RECORD)
            gc.collect()
            allocated = tracemalloc.get_traced_memory()[0] - len(flood.waiting)
        finally:
            tracemalloc.stop()
        assert limit < allocated <= bound(limit)


@every_side
async def test_reading_in_small_pieces(side: str, peer: Peers, tls: Certificates) -> None:
    limit = 4 * KIB
    async with flooded(side, peer, tls, limit) as (reader, flood):
        empty = held_bytes(reader)
        got = bytearray()
        await flood.until_stopped(reader)
        while len(got) < 20 * limit:
            flood.send(65536)
            got += await reader.read(700)
            await turns(1)
            assert held_bytes(reader) - empty <= bound(limit)
        assert bytes(got) == flood.expected()[: len(got)]
