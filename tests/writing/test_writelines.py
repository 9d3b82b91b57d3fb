"""W8: writelines() applies flow control and fails in the same way as write()."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.non_reading_peer import non_reading_peer
from support.raw_peer import RawPeers

Send = Callable[[Any, Any], None]


def by_write(writer: Any, data: bytes) -> None:
    writer.write(data)


def by_writelines(writer: Any, data: bytes) -> None:
    writer.writelines([data, data])


with_write_and_writelines = pytest.mark.parametrize("send", [by_write, by_writelines])


@pytest.mark.parametrize("pieces", [1, 2, 64])
async def test_writelines_above_the_high_water_mark_makes_drain_wait(raw_peers: RawPeers, pieces: int) -> None:
    """W8: one call is enough, however many pieces it has (CVE-2024-12254 in asyncio)."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.writelines([bytes((12 << 20) // pieces)] * pieces)
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
        reading = asyncio.create_task(peer.in_thread(peer.receive, 12 << 20))
        await draining
        await reading


@pytest.mark.parametrize("encrypted", [False, True])
async def test_writelines_of_the_transport_sends_bytes_like_objects_in_order(tls: Any, encrypted: bool) -> None:
    options = {"server": {"ssl": tls.server_context}, "client": {"ssl": tls.client_context}} if encrypted else {}
    async with connected_pair(sluiceway, **options) as ((reader, _), (_, writer)):
        writer.write(b"first ")
        writer.transport.writelines([b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview ")])
        writer.write(b"last\n")
        assert await reader.readline() == b"first bytes bytearray memoryview last\n"


async def test_writelines_of_a_tls_transport_accepts_the_buffers_that_write_accepts(tls: Any) -> None:
    options = {"server": {"ssl": tls.server_context}, "client": {"ssl": tls.client_context}}
    async with connected_pair(sluiceway, **options) as ((reader, _), (_, writer)):
        writer.transport.writelines([memoryview(b"s-t-r-i-d-e-d-")[::2], b"\n"])
        assert await reader.readline() == b"strided\n"


async def test_drain_after_writelines_after_close_raises_connection_reset_error(raw_peers: RawPeers) -> None:
    """W8: the data is discarded."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        writer.writelines([b"late", b"late"])
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        await writer.wait_closed()
        writer.writelines([b"later", b"later"])
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert peer.receive_rest() == b""


async def test_drain_after_writelines_after_abort_raises_connection_reset_error(raw_peers: RawPeers) -> None:
    """W8: the data is discarded."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.transport.abort()
        writer.writelines([b"late", b"late"])
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        writer.writelines([b"later", b"later"])
        with pytest.raises(ConnectionResetError):
            await writer.drain()


async def test_drain_after_writelines_after_a_reset_raises_connection_reset_error(raw_peers: RawPeers) -> None:
    """W8: a read has raised the reset before; drain() raises the reader's error."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        for _ in range(20):
            writer.writelines([b"late", b"late"])
            with pytest.raises(ConnectionResetError):
                await writer.drain()


@with_write_and_writelines
async def test_drain_after_writes_to_a_closed_tls_connection_raises_connection_error(tls: Any, send: Send) -> None:
    """W8: neither write() nor drain() raises AttributeError or TypeError, however the TLS connection was closed."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(handle, "localhost", 0, ssl=tls.server_context) as server:
        host, port = server.sockets[0].getsockname()[:2]
        for end in ("close", "abort", "transport.close", "with_write_and_writelines", "close, close", "close, abort"):
            _, writer = await sluiceway.open_connection(host, port, ssl=tls.client_context)
            if end == "close":
                writer.close()
            elif end == "abort":
                writer.transport.abort()
            elif end == "transport.close":
                writer.transport.close()
            elif end == "with_write_and_writelines":
                writer.transport.close()
                writer.close()
            elif end == "close, close":
                writer.close()
                writer.transport.close()
            else:
                writer.close()
                writer.transport.abort()
            for _ in range(3):
                send(writer, b"late")
                assert writer.is_closing()
                writer.close()
                with pytest.raises(ConnectionError):
                    # While close_notify is being sent, the connection is not lost yet.
                    while True:
                        await writer.drain()
                        await asyncio.sleep(0)
            await writer.wait_closed()
            assert writer.get_extra_info("peername")[:2] == (host, port)
