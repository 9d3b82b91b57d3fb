"""R3 over TLS: a flooding peer is blocked while the program does not read, and no data is lost.

test_buffer_bound.py tests the buffered size; tests/reading/test_buffer_bound.py tests plain connections.
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
from support.tls_connections import TLS_SIDES, manual_tls_connection

KIB = 1024

each_role = pytest.mark.parametrize("role", TLS_SIDES)


@contextlib.asynccontextmanager
async def flooding_peer(
    role: str, raw_peers: RawPeers, tls: Certificates, limit: int
) -> AsyncIterator[tuple[Any, Any, TLSFloodingPeer]]:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, writer, peer, manual_tls):
        yield reader, writer, TLSFloodingPeer(peer, manual_tls)


@pytest.mark.parametrize("size", [1000, 16 * KIB, 250 * KIB], ids=["1000 bytes", "a record", "250 KiB"])
@pytest.mark.parametrize("limit", [KIB, 64 * KIB], ids=["1 KiB", "64 KiB"])
@each_role
async def test_flooding_peer_is_blocked_until_the_program_reads(
    role: str, limit: int, size: int, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, writer, flood):
        assert writer.transport.is_reading()
        await flood.send_until_blocked(reader, size)
        buffered = buffered_size(reader)
        assert buffered > limit, "reading paused below the limit"
        assert flood.sent > buffered, "the rest waits in the kernel"
        assert not writer.transport.is_reading()
        # The kernel may accept some more when acknowledgements arrive late; the program's buffer must not grow.
        await flood.send_until_blocked(reader, size)
        assert buffered_size(reader) == buffered, "reading stays paused"
        assert await flood.read_all_with(reader.read) == flood.expected()
        assert writer.transport.is_reading()
        await flood.send_until_blocked(reader, size)
        assert not writer.transport.is_reading()


@each_role
async def test_reading_in_small_pieces_pauses_and_resumes(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    limit = 4 * KIB
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, writer, flood):
        received = bytearray()
        pauses = 0
        await flood.send_until_blocked(reader)
        while len(received) < 60 * limit:
            flood.send(65536)
            received += await reader.read(700)
            was_reading = writer.transport.is_reading()
            await run_iterations(1)
            pauses += was_reading and not writer.transport.is_reading()
        assert pauses > 1
        flushing = asyncio.create_task(flood.flush())
        while len(received) < flood.sent:
            received += await reader.read(1 << 20)
        await flushing
        assert bytes(received) == flood.expected()


@each_role
async def test_writing_continues_while_reading_is_paused(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """R3: paused reading does not affect the other direction."""
    async with flooding_peer(role, raw_peers, tls, KIB) as (reader, writer, flood):
        await flood.send_until_blocked(reader)
        flood.peer.sock.setblocking(True)
        for number in range(10):
            writer.write(b"%d" % number * 20_000)
            await writer.drain()
            assert await flood.peer.in_thread(flood.tls.receive, 20_000) == b"%d" % number * 20_000
        flood.peer.sock.setblocking(False)
        assert not writer.transport.is_reading()
        assert await flood.read_all_with(reader.read) == flood.expected()


@each_role
async def test_readexactly_of_more_than_the_bound_completes(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    limit = KIB
    async with flooding_peer(role, raw_peers, tls, limit) as (reader, writer, flood):
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
