"""W6: which errors drain() raises, and when it yields to the loop."""

import asyncio
import errno
import types
from typing import Any

import pytest

from support.non_reading_peer import non_reading_peer, pending_writes
from support.raw_peer import RawPeers


class ProgramError(Exception):
    """Raised by these tests only."""


class ClosingTransport(asyncio.Transport):
    """A transport that has found the loss of its connection, and has not reported it yet."""

    def is_closing(self) -> bool:
        return True


async def test_drain_raises_the_exception_set_on_the_reader(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: drain() raises the object given to reader.set_exception(), each time."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, _peer):
        error = ProgramError("set on the reader")
        reader.set_exception(error)
        for _ in range(2):
            with pytest.raises(ProgramError) as raised:
                await writer.drain()
            assert raised.value is error


async def test_drain_after_connection_lost_raises_connection_reset_error(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W6: a connection lost without an error also raises, each time."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        writer.close()
        await writer.wait_closed()
        for _ in range(3):
            with pytest.raises(ConnectionResetError, match="Connection lost"):
                await writer.drain()


async def test_drain_on_a_closing_transport_yields_to_the_loop(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: otherwise connection_lost() never runs in a loop of writes and drains."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        writer.close()
        loop_ran = []
        asyncio.get_running_loop().call_soon(loop_ran.append, True)
        with pytest.raises(ConnectionResetError):
            while True:
                writer.write(b"x")
                await writer.drain()
        assert loop_ran == [True]


async def test_loop_of_writes_and_drains_raises_after_a_reset(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: a loop that only writes and drains ends with a ConnectionError."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        peer.reset()
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                writer.write(bytes(1000))
                await writer.drain()


async def test_loop_of_writes_and_drains_raises_after_the_peer_closed(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W6: the peer's kernel answers the first bytes with a reset."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        peer.close()
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                writer.write(bytes(1000))
                await writer.drain()


async def test_reset_raises_in_all_waiting_drains(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: each waiting drain() raises the error that ended the connection."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        peer.reset()
        results = await asyncio.gather(*draining, return_exceptions=True)
        assert [isinstance(result, ConnectionError) for result in results] == [True] * 3
        with pytest.raises(ConnectionError):
            await writer.wait_closed()


async def test_drain_that_finds_a_broken_pipe_raises_connection_reset_error(streams: types.ModuleType) -> None:
    """W6: a drain() in which the loop reports the loss raises ConnectionResetError, as in asyncio."""
    loop = asyncio.get_running_loop()
    reader = streams.StreamReader(loop=loop)
    protocol = streams.StreamReaderProtocol(reader, loop=loop)
    transport = ClosingTransport()
    protocol.connection_made(transport)
    writer = streams.StreamWriter(transport, protocol, reader, loop)
    loop.call_soon(protocol.connection_lost, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    with pytest.raises(ConnectionResetError, match="Connection lost"):
        await writer.drain()
    assert isinstance(reader.exception(), BrokenPipeError)


async def test_abort_completes_all_waiting_drains(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: an abort has no error, so waiting drains return, as in asyncio. The next drain() raises."""
    async with pending_writes(streams, raw_peers) as (_, writer, _peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        writer.transport.abort()
        assert await asyncio.gather(*draining) == [None] * 3
        with pytest.raises(ConnectionResetError):
            await writer.drain()


async def test_drain_calls_drain_helper_of_a_protocol_subclass(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """S12: existing subclasses of StreamReaderProtocol override _drain_helper()."""
    calls = []

    class CountingProtocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        async def _drain_helper(self) -> None:
            calls.append(self)
            await super()._drain_helper()

    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    reader = streams.StreamReader(loop=loop)
    protocol = CountingProtocol(reader, loop=loop)
    transport: Any
    transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
    writer = streams.StreamWriter(transport, protocol, reader, loop)
    await writer.drain()
    assert calls == [protocol]
    writer.close()
    await writer.wait_closed()


async def test_drain_of_a_writer_without_a_reader_returns(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: with ``reader=None`` there is no reader whose exception drain() could raise."""
    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    protocol = streams.StreamReaderProtocol(None, loop=loop)
    transport: Any
    transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
    writer = streams.StreamWriter(transport, protocol, None, loop)
    writer.write(b"abc")
    await writer.drain()
    peer = listener.accept()
    assert await peer.in_thread(peer.receive, 3) == b"abc"
    writer.close()
    await writer.wait_closed()
