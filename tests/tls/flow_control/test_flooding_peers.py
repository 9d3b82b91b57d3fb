"""R3 over TLS: a peer that floods while nobody reads is held up in its own kernel, and loses nothing by it.

How much is held meanwhile is told in test_buffer_bound.py; tests/reading/test_buffer_bound.py has plain connections.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.certificates import Certificates
from support.flooding_peer import TLSFloodingPeer
from support.memory_usage import buffered_size
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task
from support.tls_connections import TLS_ROLES, manual_tls_connection

KIB = 1024

every_side = pytest.mark.parametrize("role", TLS_ROLES)


@contextlib.asynccontextmanager
async def flooded(
    role: str, raw_peers: RawPeers, tls: Certificates, limit: int
) -> AsyncIterator[tuple[Any, Any, TLSFloodingPeer]]:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, writer, peer, manual_tls):
        yield reader, writer, TLSFloodingPeer(peer, manual_tls)


@pytest.mark.parametrize("size", [1000, 16 * KIB, 250 * KIB], ids=["1000 bytes", "a record", "250 KiB"])
@pytest.mark.parametrize("limit", [KIB, 64 * KIB], ids=["1 KiB", "64 KiB"])
@every_side
async def test_it_is_held_up_until_somebody_reads(
    role: str, limit: int, size: int, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with flooded(role, raw_peers, tls, limit) as (reader, writer, flood):
        assert writer.transport.is_reading()
        await flood.send_until_blocked(reader, size)
        held = buffered_size(reader)
        assert held > limit, "it would read slowly"
        assert flood.sent > held, "the rest waits in the kernel"
        assert not writer.transport.is_reading()
        assert flood.is_blocked()
        await run_iterations(20)
        assert buffered_size(reader) == held, "it stays stopped"
        assert flood.is_blocked()
        assert await flood.read_all_with(reader.read) == flood.expected()
        assert writer.transport.is_reading()
        assert not flood.is_blocked()
        await flood.send_until_blocked(reader, size)
        assert not writer.transport.is_reading()
        assert flood.is_blocked()


@every_side
async def test_reading_in_small_pieces_pauses_and_resumes(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    limit = 4 * KIB
    async with flooded(role, raw_peers, tls, limit) as (reader, writer, flood):
        got = bytearray()
        pauses = 0
        await flood.send_until_blocked(reader)
        while len(got) < 60 * limit:
            flood.send(65536)
            got += await reader.read(700)
            was_reading = writer.transport.is_reading()
            await run_iterations(1)
            pauses += was_reading and not writer.transport.is_reading()
        assert pauses > 1
        flushing = asyncio.create_task(flood.flush())
        while len(got) < flood.sent:
            got += await reader.read(1 << 20)
        await flushing
        assert bytes(got) == flood.expected()


@every_side
async def test_writing_goes_on_meanwhile(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """The other direction has nothing to do with it."""
    async with flooded(role, raw_peers, tls, KIB) as (reader, writer, flood):
        await flood.send_until_blocked(reader)
        flood.peer.sock.setblocking(True)
        for number in range(10):
            writer.write(b"%d" % number * 20_000)
            await writer.drain()
            assert await flood.peer.in_thread(flood.tls.receive, 20_000) == b"%d" % number * 20_000
        flood.peer.sock.setblocking(False)
        assert not writer.transport.is_reading()
        assert await flood.read_all_with(reader.read) == flood.expected()


@every_side
async def test_readexactly_of_more_than_the_bound_completes(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    limit = KIB
    async with flooded(role, raw_peers, tls, limit) as (reader, writer, flood):
        await flood.send_until_blocked(reader)
        count = flood.sent + 500_000
        reading = await start_task(reader.readexactly(count))
        while flood.sent < count:
            flood.send(65536)
            await run_iterations(1)
        flushing = asyncio.create_task(flood.flush())
        data = await reading
        assert data == flood.expected()[:count]
        while len(data) < flood.sent:
            data += await reader.read(1 << 20)
        await flushing
        assert data == flood.expected()
        assert writer.transport.is_reading()
