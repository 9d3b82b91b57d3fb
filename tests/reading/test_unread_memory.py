"""R3: a connection whose peer floods and that nobody reads holds at most 2 x limit + 32 KiB, and loses nothing."""

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from support.connections import address_of
from support.flood import Flood
from support.held import held_bytes, unread_bytes
from support.peer import Peers
from support.turns import started, turns, until

KIB = 1024
LIMITS = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": 1024 * KIB}
every_limit = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
both_ends = pytest.mark.parametrize("end", ["client", "server"])


def bound(limit: int) -> int:
    return 2 * limit + 32 * KIB


@contextlib.asynccontextmanager
async def flooded_end(peer: Peers, end: str, limit: int) -> AsyncIterator[tuple[Any, Flood]]:
    """The reader of a connection that sluiceway opened ("client") or accepted ("server"), and the flood to it."""
    server = None
    if end == "client":
        listener = peer.listen()
        reader, writer = await sluiceway.open_connection(*listener.address, limit=limit)
        wire = listener.accept()
    else:
        accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = await sluiceway.start_server(lambda *both: accepted.set_result(both), "127.0.0.1", 0, limit=limit)
        wire = peer.connect(address_of(server))
        reader, writer = await accepted
    try:
        yield reader, Flood(wire)
    finally:
        writer.transport.abort()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        if server is not None:
            server.close()
            await server.wait_closed()


@both_ends
@every_limit
@pytest.mark.parametrize("size", [4 * KIB, 250 * KIB], ids=["4 KiB", "250 KiB"])
async def test_a_flood_is_stopped_at_the_bound(peer: Peers, end: str, limit: int, size: int) -> None:
    async with flooded_end(peer, end, limit) as (reader, flood):
        empty = held_bytes(reader)
        await flood.until_stopped(reader, size)
        held = unread_bytes(reader)
        assert held_bytes(reader) - empty <= bound(limit)
        assert held > limit, "it would read slowly"
        assert flood.sent > held, "the rest waits in the kernel"
        await turns(20)
        assert unread_bytes(reader) == held, "it stays stopped"
        assert await flood.read_all_by(reader.read) == flood.expected()
        assert not reader._paused
        await flood.until_stopped(reader, size)
        assert held_bytes(reader) - empty <= bound(limit)


@both_ends
@pytest.mark.parametrize("sizes", [[1], [1, 3000], [2, 1, 1, 9000]], ids=repr)
async def test_a_dripping_peer_is_stopped_at_the_bound(peer: Peers, end: str, sizes: list[int]) -> None:
    """Each arrival is received alone: the next is sent when the last is there."""
    limit = KIB if sizes == [1] else 16 * KIB
    async with flooded_end(peer, end, limit) as (reader, flood):
        empty = held_bytes(reader)
        number = 0
        while not reader._paused:
            assert flood.send(sizes[number % len(sizes)])
            await until(lambda: unread_bytes(reader) == flood.sent or reader._paused)
            number += 1
            if number % 64 == 0:
                assert held_bytes(reader) - empty <= bound(limit)
        assert held_bytes(reader) - empty <= bound(limit)
        assert await flood.read_all_by(reader.read) == flood.expected()


@pytest.mark.loops("asyncio", "uvloop")
async def test_the_bound_by_what_python_allocated(peer: Peers) -> None:
    """The same from outside: everything that was allocated since the connection was made, whoever holds it."""
    limit = 64 * KIB
    async with flooded_end(peer, "client", limit) as (reader, flood):
        flood.send(1)
        assert await reader.readexactly(1)  # memory that is made at the first arrival is there now
        gc.collect()
        tracemalloc.start()
        try:
            await flood.until_stopped(reader)
            gc.collect()
            allocated, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert limit < allocated <= bound(limit)


@both_ends
async def test_reading_in_small_pieces_pauses_and_resumes(peer: Peers, end: str) -> None:
    limit = 4 * KIB
    async with flooded_end(peer, end, limit) as (reader, flood):
        empty = held_bytes(reader)
        got = bytearray()
        await flood.until_stopped(reader)
        while len(got) < 20 * limit:
            flood.send(65536)
            got += await reader.read(700)
            assert held_bytes(reader) - empty <= bound(limit)
        while len(got) < flood.sent:
            got += await reader.read(1 << 20)
        assert bytes(got) == flood.expected()


@both_ends
async def test_readexactly_of_more_than_the_bound_completes(peer: Peers, end: str) -> None:
    limit = KIB
    async with flooded_end(peer, end, limit) as (reader, flood):
        await flood.until_stopped(reader)
        count = flood.sent
        task = await started(reader.readexactly(count + 500_000))
        while flood.sent < count + 500_000:
            flood.send(65536)
            await turns(1)
        data = await task
        rest = b""
        while len(data) + len(rest) < flood.sent:
            rest += await reader.read(1 << 20)
        assert len(data) == count + 500_000
        assert data + rest == flood.expected()


@both_ends
async def test_reading_to_the_end_takes_everything(peer: Peers, end: str) -> None:
    async with flooded_end(peer, end, KIB) as (reader, flood):
        await flood.until_stopped(reader)
        task = await started(reader.read())
        while flood.sent < 3_000_000:
            flood.send(65536)
            await turns(1)
        flood.wire.half_close()
        assert await task == flood.expected()
        assert reader.at_eof()


@both_ends
async def test_after_a_cancelled_readexactly_the_bound_holds_again(peer: Peers, end: str) -> None:
    """What had come for it stays and is no less than before; nothing more is received until it is read."""
    limit = 16 * KIB
    async with flooded_end(peer, end, limit) as (reader, flood):
        empty = held_bytes(reader)
        task = await started(reader.readexactly(1 << 40))
        while unread_bytes(reader) < 1_000_000:
            flood.send(65536)
            await turns(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held = unread_bytes(reader)
        await flood.until_stopped(reader)
        assert unread_bytes(reader) == held
        assert await flood.read_all_by(reader.read) == flood.expected()
        await flood.until_stopped(reader)
        assert held_bytes(reader) - empty <= bound(limit)


@both_ends
async def test_after_a_cancelled_read_to_the_end_too(peer: Peers, end: str) -> None:
    limit = 16 * KIB
    async with flooded_end(peer, end, limit) as (reader, flood):
        task = await started(reader.read())
        while unread_bytes(reader) < 500_000:
            flood.send(65536)
            await turns(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held = unread_bytes(reader)
        await flood.until_stopped(reader)
        assert unread_bytes(reader) == held
        assert await flood.read_all_by(reader.read) == flood.expected()


@both_ends
@pytest.mark.parametrize("how", ["abort", "close"])
async def test_what_was_unread_can_be_read_after_the_connection_is_closed(peer: Peers, end: str, how: str) -> None:
    """Reading makes room and would resume a transport that is gone."""
    limit = KIB
    async with flooded_end(peer, end, limit) as (reader, flood):
        await flood.until_stopped(reader)
        held = unread_bytes(reader)
        getattr(reader._transport, how)()
        await until(lambda: reader._eof)
        parts = [await reader.read(100), await reader.readexactly(1500)]
        while part := await reader.read(100):
            parts.append(part)
        assert b"".join(parts) == flood.expected()[:held]


@both_ends
async def test_a_read_cancelled_after_the_connection_is_closed(peer: Peers, end: str) -> None:
    """Letting go of more than the bound would pause a transport that is gone."""
    async with flooded_end(peer, end, KIB) as (reader, flood):
        task = await started(reader.readexactly(1 << 40))
        while unread_bytes(reader) < 100_000:
            flood.send(65536)
            await turns(1)
        reader._transport.abort()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        held = unread_bytes(reader)
        await until(lambda: reader._eof)
        assert await reader.read() == flood.expected()[:held]


async def test_a_paused_reader_is_closed_without_being_read(peer: Peers) -> None:
    async with flooded_end(peer, "server", KIB) as (reader, flood):
        await flood.until_stopped(reader)
