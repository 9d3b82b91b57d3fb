"""Half-close: write_eof() ends the sending side; the other direction continues."""

import asyncio
import types
from typing import Any

import pytest

from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, non_reading_peer
from support.raw_peer import RawPeers


async def test_read_after_write_eof_returns_the_answer(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """write_eof() sends FIN after the data, and reading continues."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        assert writer.can_write_eof()
        writer.write(b"request")
        writer.write_eof()
        assert await peer.in_thread(peer.receive_rest) == b"request"
        assert not writer.is_closing()
        peer.send(b"answer")
        peer.half_close()
        assert await reader.read() == b"answer"
        writer.close()
        await writer.wait_closed()


async def test_write_after_the_peers_eof_is_sent(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """EOF from the peer does not close the sending side."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        peer.send(b"request")
        peer.half_close()
        assert await reader.read() == b"request"
        assert reader.at_eof()
        assert not writer.is_closing()
        for piece in (b"a long", b" answer"):
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"a long answer"


async def test_write_eof_while_data_is_pending_sends_fin_after_it(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """drain() and reads work while the data before FIN is pending."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        writer.write(PAYLOAD)
        writer.write_eof()
        peer.send(b"data")
        assert await reader.readexactly(4) == b"data"
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await writer.drain()
        assert await receiving == PAYLOAD
        peer.half_close()
        assert await reader.read() == b""


async def test_close_after_write_eof_sends_pending_data(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """close() does not discard the data that write_eof() has still to send."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write(PAYLOAD)
        writer.write_eof()
        writer.close()
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await writer.wait_closed()
        assert await receiving == PAYLOAD


async def test_write_after_write_eof_raises_runtime_error(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """The error is raised at the call. A second write_eof() has no effect."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write_eof()
        writer.write_eof()
        with pytest.raises(RuntimeError):
            writer.write(b"late")
        with pytest.raises(RuntimeError):
            writer.writelines([b"late", b"later"])
        for write_nothing in (lambda: writer.write(b""), lambda: writer.writelines([])):
            with pytest.raises(RuntimeError):
                write_nothing()
        assert await peer.in_thread(peer.receive_rest) == b""


async def test_write_eof_after_close_has_no_effect(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """The connection is closing, so write_eof() does not raise."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write(b"a")
        writer.close()
        writer.write_eof()
        await writer.wait_closed()
        assert peer.receive_rest() == b"a"


async def test_write_eof_over_tls_raises_not_implemented_error(streams: types.ModuleType, tls: Any) -> None:
    """can_write_eof() returns False, and the connection continues after the error."""
    async with connected_pair(
        streams, server={"ssl": tls.server_context}, client={"ssl": tls.client_context, "server_hostname": "localhost"}
    ) as ((reader, writer), (_, far)):
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError):
            writer.write_eof()
        far.write(b"on")
        assert await reader.readexactly(2) == b"on"


async def test_half_close_in_both_directions_delivers_request_and_answer(streams: types.ModuleType) -> None:
    """Both sides are streams of the tested package."""
    async with connected_pair(streams) as ((reader, writer), (far_reader, far_writer)):
        writer.writelines([b"req", b"uest"])
        writer.write_eof()
        assert await far_reader.read() == b"request"
        far_writer.write(b"answer")
        far_writer.write_eof()
        assert await reader.read() == b"answer"
        assert not writer.is_closing()
