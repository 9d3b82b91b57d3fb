"""Ending one side of a connection and going on with the other."""

import asyncio
import types
from typing import Any

import pytest

from support.connections import connected_pair
from support.non_reading_peer import PAYLOAD, non_reading_peer
from support.raw_peer import RawPeers


async def test_our_end_leaves_the_peers_open(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """write_eof sends FIN after the data; what the peer sends then is still read."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        assert writer.can_write_eof()
        writer.write(b"question")
        writer.write_eof()
        assert await peer.in_thread(peer.receive_rest) == b"question"
        assert not writer.is_closing()
        peer.send(b"answer")
        peer.half_close()
        assert await reader.read() == b"answer"
        writer.close()
        await writer.wait_closed()


async def test_peers_end_leaves_ours_open(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """After the end of input everything can still be written."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        peer.send(b"question")
        peer.half_close()
        assert await reader.read() == b"question"
        assert reader.at_eof()
        assert not writer.is_closing()
        for piece in (b"a long", b" answer"):
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"a long answer"


async def test_end_comes_after_the_backlog(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """write_eof with megabytes unsent: every byte, then the end; drain and read work meanwhile."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        writer.write(PAYLOAD)
        writer.write_eof()
        peer.send(b"seen")
        assert await reader.readexactly(4) == b"seen"
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await writer.drain()
        assert await receiving == PAYLOAD
        peer.half_close()
        assert await reader.read() == b""


async def test_close_after_write_eof_with_a_backlog(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """close() keeps what write_eof had still to send."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write(PAYLOAD)
        writer.write_eof()
        writer.close()
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await writer.wait_closed()
        assert await receiving == PAYLOAD


async def test_write_after_write_eof_is_refused(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """A mistake of the program, told by RuntimeError at the call; a second write_eof is harmless."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write_eof()
        writer.write_eof()
        with pytest.raises(RuntimeError):
            writer.write(b"late")
        with pytest.raises(RuntimeError):
            writer.writelines([b"late", b"later"])
        assert await peer.in_thread(peer.receive_rest) == b""


async def test_write_eof_after_close_is_harmless(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """The end is on its way already, or was."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write(b"a")
        writer.close()
        writer.write_eof()
        await writer.wait_closed()
        assert peer.receive_rest() == b"a"


async def test_tls_has_no_half_close(streams: types.ModuleType, tls: Any) -> None:
    """can_write_eof says so, write_eof raises NotImplementedError and ends nothing."""
    async with connected_pair(
        streams, server={"ssl": tls.server_context}, client={"ssl": tls.client_context, "server_hostname": "localhost"}
    ) as ((reader, writer), (_, far)):
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError):
            writer.write_eof()
        far.write(b"on")
        assert await reader.readexactly(2) == b"on"


async def test_half_close_between_two_ends_of_ours(streams: types.ModuleType) -> None:
    """A question ended by FIN, the answer by FIN: both sides of the library."""
    async with connected_pair(streams) as ((reader, writer), (far_reader, far_writer)):
        writer.writelines([b"que", b"stion"])
        writer.write_eof()
        assert await far_reader.read() == b"question"
        far_writer.write(b"answer")
        far_writer.write_eof()
        assert await reader.read() == b"answer"
        assert not writer.is_closing()
