"""Ending one side of a connection and going on with the other."""

import asyncio
import types
from typing import Any

import pytest

from support.backlog import PAYLOAD, unread
from support.connections import connected
from support.peer import Peers


async def test_our_end_leaves_the_peers_open(streams: types.ModuleType, peer: Peers) -> None:
    """write_eof sends FIN after the data; what the peer sends then is still read."""
    async with unread(streams, peer) as (reader, writer, wire):
        assert writer.can_write_eof()
        writer.write(b"question")
        writer.write_eof()
        assert await wire.in_thread(wire.receive_rest) == b"question"
        assert not writer.is_closing()
        wire.send(b"answer")
        wire.half_close()
        assert await reader.read() == b"answer"
        writer.close()
        await writer.wait_closed()


async def test_peers_end_leaves_ours_open(streams: types.ModuleType, peer: Peers) -> None:
    """After the end of input everything can still be written."""
    async with unread(streams, peer) as (reader, writer, wire):
        wire.send(b"question")
        wire.half_close()
        assert await reader.read() == b"question"
        assert reader.at_eof()
        assert not writer.is_closing()
        for piece in (b"a long", b" answer"):
            writer.write(piece)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert wire.receive_rest() == b"a long answer"


async def test_end_comes_after_the_backlog(streams: types.ModuleType, peer: Peers) -> None:
    """write_eof with megabytes unsent: every byte, then the end; drain and read work meanwhile."""
    async with unread(streams, peer) as (reader, writer, wire):
        writer.write(PAYLOAD)
        writer.write_eof()
        wire.send(b"seen")
        assert await reader.readexactly(4) == b"seen"
        receiving = asyncio.create_task(wire.in_thread(wire.receive_rest))
        await writer.drain()
        assert await receiving == PAYLOAD
        wire.half_close()
        assert await reader.read() == b""


async def test_close_after_write_eof_with_a_backlog(streams: types.ModuleType, peer: Peers) -> None:
    """close() keeps what write_eof had still to send."""
    async with unread(streams, peer) as (_, writer, wire):
        writer.write(PAYLOAD)
        writer.write_eof()
        writer.close()
        receiving = asyncio.create_task(wire.in_thread(wire.receive_rest))
        await writer.wait_closed()
        assert await receiving == PAYLOAD


async def test_write_after_write_eof_is_refused(streams: types.ModuleType, peer: Peers) -> None:
    """A mistake of the program, told by RuntimeError at the call; a second write_eof is harmless."""
    async with unread(streams, peer) as (_, writer, wire):
        writer.write_eof()
        writer.write_eof()
        with pytest.raises(RuntimeError):
            writer.write(b"late")
        with pytest.raises(RuntimeError):
            writer.writelines([b"late", b"later"])
        assert await wire.in_thread(wire.receive_rest) == b""


async def test_write_eof_after_close_is_harmless(streams: types.ModuleType, peer: Peers) -> None:
    """The end is on its way already, or was."""
    async with unread(streams, peer) as (_, writer, wire):
        writer.write(b"a")
        writer.close()
        writer.write_eof()
        await writer.wait_closed()
        assert wire.receive_rest() == b"a"


async def test_tls_has_no_half_close(streams: types.ModuleType, tls: Any) -> None:
    """can_write_eof says so, write_eof raises NotImplementedError and ends nothing."""
    async with connected(
        streams, server={"ssl": tls.server_context}, client={"ssl": tls.client_context, "server_hostname": "localhost"}
    ) as ((reader, writer), (_, far)):
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError):
            writer.write_eof()
        far.write(b"on")
        assert await reader.readexactly(2) == b"on"


async def test_half_close_between_two_ends_of_ours(streams: types.ModuleType) -> None:
    """A question ended by FIN, the answer by FIN: both sides of the library."""
    async with connected(streams) as ((reader, writer), (far_reader, far_writer)):
        writer.writelines([b"que", b"stion"])
        writer.write_eof()
        assert await far_reader.read() == b"question"
        far_writer.write(b"answer")
        far_writer.write_eof()
        assert await reader.read() == b"answer"
        assert not writer.is_closing()
