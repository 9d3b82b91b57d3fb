"""W8: writelines obeys flow control and fails in the same way as write."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.non_reading_peer import non_reading_peer
from support.raw_peer import RawPeers

Send = Callable[[Any, Any], None]


def by_write(writer: Any, data: bytes) -> None:
    writer.write(data)


def by_writelines(writer: Any, data: bytes) -> None:
    writer.writelines([data, data])


both = pytest.mark.parametrize("send", [by_write, by_writelines])


async def test_two_hundred_megabytes_in_pieces_pause_the_writer(raw_peers: RawPeers) -> None:
    """W8 (CVE-2024-12254): handed over piece by piece without drain, the writer is paused and drain waits."""
    piece = bytes(1 << 20)
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        for _ in range(20):
            writer.writelines([piece] * 10)
        pending = writer.transport.get_write_buffer_size()
        assert pending > 180 << 20
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
        peer.reset()
        with pytest.raises(ConnectionError):
            await draining


@pytest.mark.parametrize("pieces", [1, 2, 64])
async def test_writelines_over_the_mark_pauses(raw_peers: RawPeers, pieces: int) -> None:
    """W8: one call is enough, however the bytes are cut."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.writelines([bytes((12 << 20) // pieces)] * pieces)
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not draining.done()
        reading = asyncio.create_task(peer.in_thread(peer.receive, 12 << 20))
        await draining
        await reading


@both
async def test_after_close(raw_peers: RawPeers, send: Send) -> None:
    """W8: dropped, and drain raises ConnectionResetError."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        send(writer, b"late")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        await writer.wait_closed()
        send(writer, b"later")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert peer.receive_rest() == b""


@both
async def test_after_abort(raw_peers: RawPeers, send: Send) -> None:
    """W8: the same after transport.abort()."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.transport.abort()
        send(writer, b"late")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        send(writer, b"later")
        with pytest.raises(ConnectionResetError):
            await writer.drain()


@both
async def test_after_the_peers_reset(raw_peers: RawPeers, send: Send) -> None:
    """W8: the same after a reset that was read; the reader's error is what drain raises."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        for _ in range(20):
            send(writer, b"late")
            with pytest.raises(ConnectionResetError):
                await writer.drain()


@both
async def test_over_tls_after_close_and_abort(tls: Any, send: Send) -> None:
    """W8: no AttributeError or TypeError from the inside of a TLS transport, however it was ended."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(handle, "localhost", 0, ssl=tls.server_context) as server:
        host, port = server.sockets[0].getsockname()[:2]
        for end in ("close", "abort", "transport.close", "both", "close, close", "close, abort"):
            _, writer = await sluiceway.open_connection(host, port, ssl=tls.client_context)
            if end == "close":
                writer.close()
            elif end == "abort":
                writer.transport.abort()
            elif end == "transport.close":
                writer.transport.close()
            elif end == "both":
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
                    # The close_notify may be under way, and then nothing is lost yet.
                    while True:
                        await writer.drain()
                        await asyncio.sleep(0)
            await writer.wait_closed()
            assert writer.get_extra_info("peername")[:2] == (host, port)
