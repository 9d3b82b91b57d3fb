"""The properties of Stream: addresses, TLS details, the reason of the end and the counts, also after close."""

import asyncio
from typing import Any

import pytest

import sluiceway
from stream.streams import clogged_stream, peer_stream, stream_pair
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until
from support.tls_connections import tls_connection


async def test_addresses_stay_readable_after_close() -> None:
    async with stream_pair() as (one, other):
        addresses = one.peer, one.local
        assert addresses == (other.local, other.peer)
        await one.aclose()
        await other.aclose()
        assert (one.peer, one.local) == addresses == (other.local, other.peer)


async def test_repr_shows_closing_and_closed(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, _):
        opened = repr(stream)
        stream.writer.close()
        assert repr(stream) == f"{opened[:-1]} closing>"
        stream.abort()
        await stream.aclose()
        assert repr(stream) == f"{opened[:-1]} closed>"


async def test_repr_shows_loss(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        opened = repr(stream)
        peer.reset()
        await wait_until(stream.is_closing)
        await stream.aclose()
        assert repr(stream) == f"{opened[:-1]} lost>"


async def test_repr_shows_idle_timeout_as_loss(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        opened = repr(stream)
        stream.idle_timeout = 0.001
        await wait_until(stream.is_closing)
        assert (await stream.aclose()).reason == "idle timeout"
        assert repr(stream) == f"{opened[:-1]} lost>"


async def test_tls_details_stay_readable_after_close(raw_peers: RawPeers, tls: Any) -> None:
    def close(peer: RawPeer) -> None:
        peer.unwrap_tls()

    async with tls_connection("client", raw_peers, tls, close) as (reader, writer, script):
        stream = sluiceway.Stream.from_pair(reader, writer)
        before = stream.tls
        assert before is not None
        assert before.version == "TLSv1.3"
        assert before.cipher is not None
        assert before.peer_certificate is not None
        assert before.context is tls.client_context
        await stream.aclose()
        assert stream.tls == before
        await script.finished()


async def test_plain_stream_has_no_tls_details() -> None:
    async with stream_pair() as (one, _):
        assert one.tls is None


async def test_stats_count_bytes_calls_and_pauses(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, peer):
        stats = stream.stats
        assert stats.sends == 1
        assert stats.writing_pauses == 1
        assert stats.bytes_sent + stats.unsent_bytes == 10 << 20
        assert stats.unsent_bytes == stream.writer.transport.get_write_buffer_size()  # type: ignore[attr-defined]
        peer.send(b"hello\nworld")
        await wait_until(lambda: stream.stats.bytes_received == 11)
        assert stream.stats.unread_bytes == 11
        assert await stream.read_line() == b"hello\n"
        assert (stream.stats.unread_bytes, stream.stats.unread_high_water) == (5, 11)
        peer.send(bytes(1_000_000))
        await wait_until(lambda: stream.stats.reading_pauses)
        assert stream.stats.unread_high_water >= 2 * 65536
        assert stream.stats.arrivals >= 2


async def test_received_bytes_of_large_reads_are_counted_once() -> None:
    """Whatever memory they are received into."""
    async with stream_pair() as (one, other):
        size = 3_000_000
        sending = asyncio.create_task(one.send(bytes(size)))
        await other.read_exactly(size - 1)
        await other.read(10)
        await sending
        assert other.stats.bytes_received == one.stats.bytes_sent == size


async def test_stats_stay_readable_after_close(raw_peers: RawPeers) -> None:
    """With what was not sent; the age is that at the end."""
    async with clogged_stream(raw_peers) as (stream, peer):
        stream.writer.transport.abort()
        info = await stream.aclose()
        stats = stream.stats
        received = len(peer.receive_rest())
        if sluiceway.ENGINE == "epoll":
            assert (stats.bytes_sent, stats.unsent_bytes) == (received, info.unsent_bytes)
        assert stats.age == stream.stats.age >= 0


async def test_eof_reason_is_that_of_the_reader(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        assert stream.eof_reason is None
        peer.half_close()
        assert await stream.read(1) == b""
        assert stream.eof_reason == "clean"


async def test_reading_half_alone_has_state_and_closes() -> None:
    stream = sluiceway.Stream.from_pair(sluiceway.StreamReader(), None)
    assert (stream.peer, stream.local, stream.tls, stream.eof_reason) == (None, None, None, None)
    assert stream.stats.bytes_received == 0
    assert (await stream.aclose()).flushed


@pytest.mark.parametrize("kind", ["truncated", "clean"])
async def test_eof_reason_over_tls(raw_peers: RawPeers, tls: Any, kind: str) -> None:
    """R8: and close_notify_received tells the same."""

    def end(peer: RawPeer) -> None:
        if kind == "clean":
            peer.unwrap_tls()
        else:
            peer.half_close()
            peer.receive_rest()

    async with tls_connection("client", raw_peers, tls, end) as (reader, writer, script):
        stream = sluiceway.Stream.from_pair(reader, writer)
        assert await stream.read(1) == b""
        assert stream.eof_reason == kind
        assert (await stream.aclose()).close_notify_received == (kind == "clean")
        await script.finished()


@pytest.mark.parametrize("rest", [b"", b"rest"])
async def test_reads_after_a_clean_end_stay_at_the_end(raw_peers: RawPeers, rest: bytes) -> None:
    """R2, R8: an error of the writing side that follows is raised by sends only."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"line\n" + rest)
        peer.close()
        assert await stream.read_line() == b"line\n"
        assert await stream.peek(9) == rest
        with pytest.raises(ConnectionError):
            while True:
                await stream.send(b"unwanted")
                await asyncio.sleep(0)
        await wait_until(stream.reader.exception)
        assert await stream.peek(9) == rest
        with pytest.raises(asyncio.IncompleteReadError):
            await stream.skip(5)
        assert await stream.read_all() == b""
        assert [line async for line in stream.lines()] == []
        assert [frame async for frame in stream.frames()] == []
        for _ in range(2):
            assert await stream.read() == b""
        assert await stream.readinto(bytearray(1)) == 0
        with pytest.raises(asyncio.IncompleteReadError):
            await stream.read_exactly(1)
        assert await stream.reader.readline() == await stream.reader.read(-1) == b""
        assert stream.eof_reason == "clean"
