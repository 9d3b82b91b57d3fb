"""R3 over TLS: a peer that floods while nobody reads is held up in its own kernel, and loses nothing by it.

How much is held meanwhile is told in test_unread_memory.py; tests/reading/test_unread_memory.py has plain connections.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.certificates import Certificates
from support.flood import SealedFlood
from support.held import unread_bytes
from support.peer import Peers
from support.tls_sides import SIDES, facing_by_hand
from support.turns import started, turns

KIB = 1024

every_side = pytest.mark.parametrize("side", SIDES)


@contextlib.asynccontextmanager
async def flooded(side: str, peer: Peers, tls: Certificates, limit: int) -> AsyncIterator[tuple[Any, Any, SealedFlood]]:
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, writer, wire, end):
        yield reader, writer, SealedFlood(wire, end)


@pytest.mark.parametrize("size", [1000, 16 * KIB, 250 * KIB], ids=["1000 bytes", "a record", "250 KiB"])
@pytest.mark.parametrize("limit", [KIB, 64 * KIB], ids=["1 KiB", "64 KiB"])
@every_side
async def test_it_is_held_up_until_somebody_reads(
    side: str, limit: int, size: int, peer: Peers, tls: Certificates
) -> None:
    async with flooded(side, peer, tls, limit) as (reader, writer, flood):
        assert writer.transport.is_reading()
        await flood.until_stopped(reader, size)
        held = unread_bytes(reader)
        assert held > limit, "it would read slowly"
        assert flood.sent > held, "the rest waits in the kernel"
        assert not writer.transport.is_reading()
        assert flood.held_up()
        await turns(20)
        assert unread_bytes(reader) == held, "it stays stopped"
        assert flood.held_up()
        assert await flood.read_all_by(reader.read) == flood.expected()
        assert writer.transport.is_reading()
        assert not flood.held_up()
        await flood.until_stopped(reader, size)
        assert not writer.transport.is_reading()
        assert flood.held_up()


@every_side
async def test_reading_in_small_pieces_pauses_and_resumes(side: str, peer: Peers, tls: Certificates) -> None:
    limit = 4 * KIB
    async with flooded(side, peer, tls, limit) as (reader, writer, flood):
        got = bytearray()
        pauses = 0
        await flood.until_stopped(reader)
        while len(got) < 60 * limit:
            flood.send(65536)
            got += await reader.read(700)
            was_reading = writer.transport.is_reading()
            await turns(1)
            pauses += was_reading and not writer.transport.is_reading()
        assert pauses > 1
        flushing = asyncio.create_task(flood.flush())
        while len(got) < flood.sent:
            got += await reader.read(1 << 20)
        await flushing
        assert bytes(got) == flood.expected()


@every_side
async def test_writing_goes_on_meanwhile(side: str, peer: Peers, tls: Certificates) -> None:
    """The other direction has nothing to do with it."""
    async with flooded(side, peer, tls, KIB) as (reader, writer, flood):
        await flood.until_stopped(reader)
        flood.wire.sock.setblocking(True)
        for number in range(10):
            writer.write(b"%d" % number * 20_000)
            await writer.drain()
            assert await flood.wire.in_thread(flood.end.receive, 20_000) == b"%d" % number * 20_000
        flood.wire.sock.setblocking(False)
        assert not writer.transport.is_reading()
        assert await flood.read_all_by(reader.read) == flood.expected()


@every_side
async def test_readexactly_of_more_than_the_bound_completes(side: str, peer: Peers, tls: Certificates) -> None:
    limit = KIB
    async with flooded(side, peer, tls, limit) as (reader, writer, flood):
        await flood.until_stopped(reader)
        count = flood.sent + 500_000
        reading = await started(reader.readexactly(count))
        while flood.sent < count:
            flood.send(65536)
            await turns(1)
        flushing = asyncio.create_task(flood.flush())
        data = await reading
        assert data == flood.expected()[:count]
        while len(data) < flood.sent:
            data += await reader.read(1 << 20)
        await flushing
        assert data == flood.expected()
        assert writer.transport.is_reading()
