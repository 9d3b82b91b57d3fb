"""What drain raises, and when it lets the loop run: asyncio's rules."""

import asyncio
import types
from typing import Any

import pytest

from support.non_reading_peer import non_reading_peer, pending_writes
from support.raw_peer import RawPeers


class OwnError(Exception):
    """Something that only these tests raise."""


async def test_error_of_the_reader_is_raised(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """What was given to reader.set_exception comes out of drain, the very object."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, _peer):
        error = OwnError("of the reader")
        reader.set_exception(error)
        for _ in range(2):
            with pytest.raises(OwnError) as raised:
                await writer.drain()
            assert raised.value is error


async def test_lost_connection_is_a_reset(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """Once the connection is lost without an error, drain raises ConnectionResetError, each time."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        writer.close()
        await writer.wait_closed()
        for _ in range(3):
            with pytest.raises(ConnectionResetError, match="Connection lost"):
                await writer.drain()


async def test_drain_on_a_closing_transport_lets_the_loop_run(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """connection_lost gets its turn, or a loop of writes and drains would never see it."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        writer.close()
        turned = []
        asyncio.get_running_loop().call_soon(turned.append, True)
        with pytest.raises(ConnectionResetError):
            while True:
                writer.write(b"x")
                await writer.drain()
        assert turned == [True]


async def test_loop_of_writes_sees_the_peers_reset(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: the peer resets; a loop that does nothing but write and drain ends with a ConnectionError."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        peer.reset()
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                writer.write(bytes(1000))
                await writer.drain()


async def test_loop_of_writes_sees_that_the_peer_went_away(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W6: the same where the peer just closed: the answer to the first bytes is its reset."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        peer.close()
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                writer.write(bytes(1000))
                await writer.drain()


async def test_waiting_drain_is_told_the_peers_reset(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """A drain that waits for room ends with the error that ended the connection; so do all."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        peer.reset()
        results = await asyncio.gather(*draining, return_exceptions=True)
        assert [isinstance(result, ConnectionError) for result in results] == [True] * 3
        with pytest.raises(ConnectionError):
            await writer.wait_closed()


async def test_waiting_drain_ends_at_an_abort(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """An end without error ends the wait without one, as in asyncio; the next drain raises."""
    async with pending_writes(streams, raw_peers) as (_, writer, _peer):
        draining = [asyncio.create_task(writer.drain()) for _ in range(3)]
        await asyncio.sleep(0)
        writer.transport.abort()
        assert await asyncio.gather(*draining) == [None] * 3
        with pytest.raises(ConnectionResetError):
            await writer.drain()


async def test_drain_of_a_subclassed_protocol_is_asked(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """drain goes through the protocol's _drain_helper, as subclasses in the wild rely on."""
    asked = []

    class Counting(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        async def _drain_helper(self) -> None:
            asked.append(self)
            await super()._drain_helper()

    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    reader = streams.StreamReader(loop=loop)
    protocol = Counting(reader, loop=loop)
    transport: Any
    transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
    writer = streams.StreamWriter(transport, protocol, reader, loop)
    await writer.drain()
    assert asked == [protocol]
    writer.close()
    await writer.wait_closed()


async def test_writer_without_a_reader_drains(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """reader=None: nothing to ask for an error."""
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
