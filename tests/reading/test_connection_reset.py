"""R2: bytes that arrived before a reset are read first, then the error; exception() returns it immediately."""

import contextlib
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.raw_peer import RawPeer, RawPeers
from support.scheduling import start_task, wait_until

LINES = [b"line %d\n" % number for number in range(3000)]
DATA = b"".join(LINES)
reference_loses_bytes = pytest.mark.reference_fails("R2", "the error comes before the bytes")


@contextlib.asynccontextmanager
async def connection(
    streams: types.ModuleType, raw_peers: RawPeers, limit: int = 65536
) -> AsyncIterator[tuple[Any, Any, RawPeer]]:
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address, limit=limit)
    try:
        yield reader, writer, listener.accept()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def reset_after(reader: Any, peer: RawPeer, *chunks: bytes) -> None:
    """Send and reset; return when the reader has the error."""
    peer.send(*chunks)
    peer.reset()
    await wait_until(reader.exception)
    assert isinstance(reader.exception(), ConnectionResetError)


@reference_loses_bytes
async def test_lines_before_reset_are_read_before_error(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    async with connection(streams, raw_peers) as (reader, _, peer):
        await reset_after(reader, peer, DATA)
        for line in LINES:
            assert await reader.readline() == line
        with pytest.raises(ConnectionResetError) as error:
            await reader.readline()
        stored = reader.exception()
        assert (type(error.value), error.value.args) == (type(stored), stored.args)


@reference_loses_bytes
@pytest.mark.parametrize("count", [1, 7, 1000, 1 << 20])
async def test_bytes_before_reset_are_read_before_error(
    streams: types.ModuleType, raw_peers: RawPeers, count: int
) -> None:
    data = DATA[:300] if count == 1 else DATA
    async with connection(streams, raw_peers) as (reader, _, peer):
        await reset_after(reader, peer, data)
        received = b""
        with pytest.raises(ConnectionResetError):
            while True:
                part = await reader.read(count)
                assert part, "a reset was reported as end of input"
                received += part
        assert received == data
        assert not reader.at_eof()


@reference_loses_bytes
async def test_records_and_frames_before_reset_are_read_before_error(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    async with connection(streams, raw_peers) as (reader, _, peer):
        await reset_after(reader, peer, b"record|", b"frame", b"line\n", b"part of")
        assert await reader.readuntil(b"|") == b"record|"
        assert await reader.readexactly(5) == b"frame"
        assert await anext(reader) == b"line\n"
        for read in (reader.readuntil(b"|"), reader.readexactly(100), reader.readline(), anext(reader), reader.read()):
            with pytest.raises(ConnectionResetError):
                await read
        assert await reader.read(100) == b"part of", "the incomplete record is lost"
        with pytest.raises(ConnectionResetError):
            await reader.read(100)


@reference_loses_bytes
async def test_iteration_raises_reset_after_complete_lines(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    async with connection(streams, raw_peers) as (reader, _, peer):
        await reset_after(reader, peer, b"one\ntwo\nthr")
        lines = []
        with pytest.raises(ConnectionResetError):
            async for line in reader:
                lines.append(line)  # noqa: PERF401 - a comprehension would lose them
        assert lines == [b"one\n", b"two\n"]


async def test_reset_while_transport_is_paused_keeps_bytes(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """The transport is paused, so the rest of the bytes and the reset wait in the kernel."""
    async with connection(streams, raw_peers, limit=1000) as (reader, _, peer):
        peer.send(DATA)
        await wait_until(lambda: reader._paused)
        peer.reset()
        received = b""
        with pytest.raises(ConnectionResetError):
            while True:
                received += await reader.readline()
        assert received == DATA


@pytest.mark.parametrize("name", ["read", "readline", "readuntil"])
async def test_waiting_read_raises_reset(streams: types.ModuleType, raw_peers: RawPeers, name: str) -> None:
    async with connection(streams, raw_peers) as (reader, _, peer):
        task = await start_task(getattr(reader, name)())
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await task


@pytest.mark.reference_fails("R2", "the partial bytes are lost")
async def test_reset_during_readexactly_keeps_partial_bytes(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    async with connection(streams, raw_peers) as (reader, _, peer):
        task = await start_task(reader.readexactly(10))
        peer.send(b"half")
        await wait_until(lambda: "4 bytes" in repr(reader))
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await task
        assert await reader.readexactly(4) == b"half"
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
