"""Stream.aclose(): what it returns, how often it may be called, and what ends it (contract X2)."""

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import TIMEOUT_RESOLUTION
from sluiceway._implementation import core
from stream.streams import PAYLOAD, clogged_stream, peer_stream, stream_pair
from support.certificates import Certificates
from support.connections import server_address
from support.log_records import only_warning
from support.manual_clock import manual_clock
from support.manual_timers import manual_timers
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task, wait_until
from support.tls_connections import manual_tls_connection, tls_connection


async def test_close_after_everything_was_sent_is_flushed(raw_peers: RawPeers) -> None:
    """X2: a slow peer receives every byte before the call returns."""
    async with clogged_stream(raw_peers) as (stream, peer):
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        info = await stream.aclose()
        assert info == sluiceway.CloseInfo(True, 0, None, "closed")
        assert await receiving == PAYLOAD


async def test_second_and_concurrent_closes_return_the_same(raw_peers: RawPeers) -> None:
    """X2: and a cancelled one affects itself only (X6)."""
    async with clogged_stream(raw_peers) as (stream, peer):
        closes = [await start_task(stream.aclose()) for _ in range(3)]
        closes[0].cancel()
        await asyncio.wait(closes[:1])
        assert not closes[1].done()
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        first, second = await closes[1], await closes[2]
        assert first is second is await stream.aclose()
        assert first.flushed
        assert await receiving == PAYLOAD


async def test_timeout_aborts_and_counts_the_unsent_bytes(raw_peers: RawPeers) -> None:
    """X2, D1: the count is exact."""
    async with clogged_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            unsent = stream.writer.transport.get_write_buffer_size()  # type: ignore[attr-defined]
            closing = await start_task(stream.aclose(timeout=5))
            await run_iterations()
            clock.advance(4)
            await run_iterations()
            assert not closing.done()
            clock.advance(1 + TIMEOUT_RESOLUTION)
            assert await closing == sluiceway.CloseInfo(False, unsent, None, "timeout")
        assert len(peer.receive_rest()) == len(PAYLOAD) - unsent


async def test_timeout_still_applies_after_its_call_was_cancelled(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            closing = await start_task(stream.aclose(timeout=5))
            closing.cancel()
            await asyncio.wait([closing])
            clock.advance(5 + TIMEOUT_RESOLUTION)
            assert (await stream.aclose()).reason == "timeout"


@pytest.mark.parametrize("linger", [None, 5])
async def test_close_without_progress_is_a_close_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, linger: float | None
) -> None:
    """X1, X2: with the number of unsent bytes, which the log record names too."""
    async with clogged_stream(raw_peers, close_timeout=12345.0) as (stream, _):
        with manual_timers(12345.0) as timers:
            closing = await start_task(stream.aclose(linger=linger))
            for _ in range(20):
                if not timers.fire():
                    break
                await run_iterations()
            info = await closing
        assert (info.reason, info.flushed) == ("close timeout", False)
        assert f"{info.unsent_bytes} bytes unsent" in only_warning(caplog)


async def test_lost_connection_returns_reset_and_raises_nothing(raw_peers: RawPeers) -> None:
    """X2: the close after a reset, and a reset during the close."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await stream.read(1)
        assert (await stream.aclose()).reason == "reset"
    async with clogged_stream(raw_peers) as (stream, peer):
        closing = await start_task(stream.aclose())
        peer.reset()
        info = await closing
        assert (info.reason, info.flushed) == ("reset", False)
        assert info.unsent_bytes > 0


@pytest.mark.parametrize("encrypted", [False, True])
async def test_writes_that_kernel_refuses_at_once_are_not_flushed(encrypted: bool, tls: Any) -> None:
    """X2: although nothing was buffered. The engine reports the number, over TLS that of two records."""
    async with sluiceway.pair() as (first, second):
        if encrypted:
            upgrade = second.start_tls(tls.server_context, server_side=True)
            await asyncio.gather(first.start_tls(tls.client_context, server_hostname="localhost"), upgrade)
        # In an iteration of the loop, and not in a step, in which writes are corked.
        await asyncio.sleep(0)
        descriptor = second.writer.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(descriptor)) as peer:
            peer.shutdown(socket.SHUT_RDWR)
        first.writer.write(b"lost")
        if encrypted:
            first.writer.write(b"lost")
        transport = first.writer.transport
        on_engine = isinstance(getattr(transport, "lower", transport), core.RawTransportProvider)
        info = await first.aclose()
        assert (info.reason, info.flushed) == ("reset", False)
        # A record of TLS 1.3 is 22 bytes longer than its content (RFC 8446, section 5.2, with AES-GCM).
        assert info.unsent_bytes == (0 if not on_engine else 2 * (4 + 22) if encrypted else 4)


async def test_reset_of_tls_with_unsent_bytes_is_not_flushed(raw_peers: RawPeers, tls: Any) -> None:
    """X2: a loop's own transport, below the TLS, does not report what it discards."""

    def reset(peer: RawPeer) -> None:
        peer.wait_for("reset")
        peer.reset()

    async with tls_connection("client", raw_peers, tls, reset) as (reader, writer, script):
        stream = sluiceway.Stream.from_pair(reader, writer)
        writer.write(PAYLOAD)
        script.signal("reset")
        with pytest.raises(ConnectionError):
            await stream.read(1)
        info = await stream.aclose()
        assert (info.reason, info.flushed) == ("reset", False)


@pytest.mark.parametrize("answered", [True, False])
async def test_tls_close_reports_whether_close_notify_arrived(raw_peers: RawPeers, tls: Any, answered: bool) -> None:
    def answer(peer: RawPeer) -> None:
        if answered:
            peer.unwrap_tls()
        else:
            with contextlib.suppress(ssl.SSLError):
                peer.sock.recv(1)

    async with tls_connection("client", raw_peers, tls, answer) as (reader, writer, script):
        stream = sluiceway.Stream.from_pair(reader, writer)
        info = await stream.aclose()
        assert info == sluiceway.CloseInfo(True, 0, answered, "closed")
        await script.finished()


@pytest.mark.parametrize("notifies", [False, True])
async def test_tls_alert_that_a_closed_unix_socket_refuses_is_not_unsent(
    raw_peers: RawPeers, tls: Any, unix_path: str, notifies: bool
) -> None:
    """X2: the peer closes at once, with close_notify or without. The kernel refuses the answer with EPIPE."""
    listener = raw_peers.listen(unix=unix_path)
    address = f"unix:{unix_path}"
    opening = await start_task(sluiceway.connect(address, tls=tls.client_context, server_hostname="localhost"))
    peer = await asyncio.to_thread(listener.accept)
    await peer.in_thread(lambda: peer.start_tls(tls.server_context, server_side=True))
    stream = await opening
    # The loop does not run until the peer has closed.
    peer.send(b"last")
    peer.sock.setblocking(False)
    if notifies:
        with pytest.raises(ssl.SSLWantReadError):
            peer.unwrap_tls()
    peer.close()
    assert await stream.read_all() == b"last"
    assert await stream.aclose() == sluiceway.CloseInfo(True, 0, notifies, "closed")


@pytest.mark.skipif(sluiceway.ENGINE != "epoll", reason="calls the socket of the engine")
async def test_records_that_tls_writes_after_the_loss_count_as_unsent(raw_peers: RawPeers) -> None:
    """X2: code that runs during the encryption of several records, such as a finalizer, may end the connection."""
    async with peer_stream(raw_peers) as (stream, _):
        assert stream.writer is not None
        transport: Any = stream.writer.transport
        if not hasattr(transport, "raw"):
            pytest.skip("another transport on this loop")
        transport.abort()
        transport.raw.write_pieces([b"two", b"records"])
        assert transport.discarded_size() == len(b"tworecords")
        assert (await stream.aclose()).unsent_bytes == len(b"tworecords")


@pytest.mark.parametrize("case", ["paused", "below the marks", "closing"])
async def test_abort_of_the_transport_is_aborted_and_counts_the_unsent_bytes(raw_peers: RawPeers, case: str) -> None:
    """X2: also where the transport of a loop drops the bytes without a report."""
    async with clogged_stream(raw_peers) as (stream, _):
        transport: Any = stream.writer.transport
        if case == "below the marks":
            transport.set_write_buffer_limits(high=len(PAYLOAD) * 2, low=len(PAYLOAD))
            await run_iterations()
        elif case == "closing":
            stream.writer.close()
        unsent = transport.get_write_buffer_size()
        assert unsent > 0
        transport.abort()
        assert await stream.aclose() == sluiceway.CloseInfo(False, unsent, None, "aborted")


async def test_abort_of_a_transport_without_unsent_bytes_is_closed(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        await stream.send(b"data")
        stream.writer.transport.abort()
        assert await stream.aclose() == sluiceway.CloseInfo(True, 0, None, "closed")


async def test_abort_discards_and_counts_the_unsent_bytes(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, _):
        assert not stream.is_closing()
        unsent = stream.stats.unsent_bytes
        stream.abort()
        assert stream.is_closing()
        assert await stream.aclose() == sluiceway.CloseInfo(False, unsent, None, "aborted")
        with pytest.raises(ConnectionError):
            await stream.read(1)


@pytest.mark.parametrize("waiting", [False, True])
async def test_iterator_raises_after_close(raw_peers: RawPeers, waiting: bool) -> None:
    """Half a line must not pass for the last one."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"one\nha")
        lines = stream.lines()
        assert await anext(lines) == b"one\n"
        assert await stream.peek(2) == b"ha"
        if waiting:
            reading = await start_task(_next(lines))
            await stream.aclose()
            with pytest.raises(ConnectionError, match=r"lines\(\): connection .* is closed"):
                await reading
        else:
            stream.push_back(b"two\n")
            await stream.aclose()
        with pytest.raises(ConnectionError, match=r"lines\(\): connection .* is closed"):
            await anext(lines)


async def _next(iterator: Any) -> Any:
    return await anext(iterator)


async def test_block_closes_its_stream() -> None:
    """X2: after the block, and after an exception in it."""
    async with stream_pair() as (one, other):
        async with one:
            await one.send(b"data")
        assert await other.read_exactly(4) == b"data"
        assert await other.read(1) == b""
        with pytest.raises(LookupError):
            async with other:
                raise LookupError
        assert (await other.aclose()).reason == "closed"


@pytest.mark.parametrize("end", [asyncio.CancelledError, TimeoutError])
async def test_block_that_ran_out_of_time_does_not_wait_for_the_close(
    raw_peers: RawPeers, end: type[BaseException]
) -> None:
    """A time limit inside or around the block would otherwise be exceeded by up to ``close_timeout``."""
    async with clogged_stream(raw_peers) as (stream, peer):
        with pytest.raises(end):
            async with stream:
                raise end
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        assert (await stream.aclose()).flushed
        assert await receiving == PAYLOAD


@pytest.mark.parametrize("argument", ["timeout", "linger"])
@pytest.mark.parametrize("seconds", [0, -1, "5"])
async def test_invalid_seconds_raise_and_close_nothing(raw_peers: RawPeers, argument: str, seconds: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with pytest.raises((ValueError, TypeError), match=argument):
            await stream.aclose(**{argument: seconds})
        await stream.send(b"on")
        assert peer.receive(2) == b"on"


async def test_close_while_a_read_waits_ends_the_read() -> None:
    async with stream_pair() as (one, _):
        reading = await start_task(one.read_line())
        await one.aclose()
        assert await reading == b""
        assert one.eof_reason == "closed"


# -- linger -----------------------------------------------------------------------------------------------------------


async def test_lingering_close_answers_before_the_request_was_read(raw_peers: RawPeers) -> None:
    """X2: the peer gets the whole answer and a clean end while it still sends, and no reset."""
    async with peer_stream(raw_peers) as (stream, peer):
        sending = asyncio.create_task(peer.in_thread(peer.send, PAYLOAD))
        await stream.send(b"too large\n")
        closing = await start_task(stream.aclose(linger=30))
        await sending
        peer.half_close()
        assert (await closing) == sluiceway.CloseInfo(True, 0, None, "closed")
        assert await peer.in_thread(peer.receive_rest) == b"too large\n"


async def test_lingering_close_sends_pending_data_first(raw_peers: RawPeers) -> None:
    async with clogged_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            closing = await start_task(stream.aclose(linger=5))
            clock.advance(100)
            await run_iterations()
            assert not closing.done()
            assert await peer.in_thread(peer.receive_rest) == PAYLOAD
            # The time starts when everything has been sent.
            await wait_until(lambda: clock.scheduled)
            clock.advance(5 + TIMEOUT_RESOLUTION)
            assert (await closing).flushed


async def test_lingering_close_sends_data_below_the_high_water_mark_first(raw_peers: RawPeers) -> None:
    """pause_writing() of the protocol was not called, so resume_writing() must not be called."""
    async with peer_stream(raw_peers) as (stream, peer):
        assert stream.writer is not None
        stream.writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD))
        await stream.send(PAYLOAD)
        with manual_clock() as clock:
            closing = await start_task(stream.aclose(linger=5))
            assert await peer.in_thread(peer.receive_rest) == PAYLOAD
            # The time starts although writing was not paused.
            await wait_until(lambda: clock.scheduled)
            clock.advance(5 + TIMEOUT_RESOLUTION)
            assert (await closing).flushed


async def test_lingering_close_over_tls_waits_so_long_for_close_notify(raw_peers: RawPeers, tls: Certificates) -> None:
    """The time replaces the shutdown timeout."""
    options = {"ssl_shutdown_timeout": 3600}
    async with manual_tls_connection("client", raw_peers, tls, **options) as (reader, writer, _peer, _):
        info = await sluiceway.Stream.from_pair(reader, writer).aclose(linger=0.01)
        assert info.close_notify_received is False


async def test_lingering_close_ends_after_its_time(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            await stream.send(b"answer")
            closing = await start_task(stream.aclose(linger=5))
            assert await peer.in_thread(peer.receive_rest) == b"answer"
            clock.advance(4)
            await run_iterations()
            assert not closing.done()
            clock.advance(1 + TIMEOUT_RESOLUTION)
            assert (await closing).reason == "closed"


async def test_input_that_a_lingering_close_discards_does_not_look_complete(raw_peers: RawPeers) -> None:
    """R8: as at every close, the read that waits returns what had arrived before."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"first ")
        await wait_until(lambda: stream.stats.unread_bytes)
        reading = await start_task(stream.read_all())
        closing = await start_task(stream.aclose(linger=30))
        peer.send(b"second")
        peer.half_close()
        await closing
        assert await reading == b"first "
        assert stream.eof_reason == "closed"


async def test_lingering_close_ends_after_its_bytes(raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway._connection.linger.LINGER_MAXIMUM", 1000)
    async with peer_stream(raw_peers) as (stream, peer):
        closing = await start_task(stream.aclose(linger=30))
        peer.send(bytes(2000))
        assert (await closing).reason == "closed"


async def test_sending_while_the_close_lingers_raises(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        closing = await start_task(stream.aclose(linger=30))
        with pytest.raises(ConnectionError, match=r"this program has closed"):
            await stream.send(b"late")
        peer.close()
        await closing


async def test_timeout_ends_a_lingering_close(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with manual_clock() as clock:
            closing = await start_task(stream.aclose(linger=30, timeout=3))
            clock.advance(3 + TIMEOUT_RESOLUTION)
            assert (await closing) == sluiceway.CloseInfo(True, 0, None, "timeout")


async def test_second_close_does_not_end_a_lingering_close(raw_peers: RawPeers) -> None:
    """X2: close() of the writer. It would let the kernel send a reset, which may destroy the answer."""
    async with peer_stream(raw_peers) as (stream, peer):
        assert stream.writer is not None
        closing = await start_task(stream.aclose(linger=30))
        stream.writer.close()
        await run_iterations()
        assert not stream.writer.transport.is_closing()
        peer.half_close()
        assert (await closing).reason == "closed"
        stream.writer.close()


async def test_close_ends_a_lingering_close_whose_protocol_the_program_has_replaced(raw_peers: RawPeers) -> None:
    """X2: nothing else would close the transport."""
    async with peer_stream(raw_peers) as (stream, peer):
        assert stream.writer is not None
        transport: Any = stream.writer.transport
        closing = await start_task(stream.aclose(linger=30))
        linger = transport.get_protocol()
        transport.set_protocol(asyncio.Protocol())
        stream.writer.close()
        closed = transport.is_closing()
        transport.set_protocol(linger)
        peer.half_close()
        assert (await closing).reason == "closed"
        assert closed


@pytest.mark.parametrize("aborts", [False, True], ids=["close_clients", "abort_clients"])
async def test_server_ends_a_lingering_close_only_by_an_abort(raw_peers: RawPeers, aborts: bool) -> None:
    """X2: close_clients() closes each connection after its data was sent; a lingering close is such a close."""
    opened: asyncio.Future[sluiceway.Stream] = asyncio.get_running_loop().create_future()
    ended: asyncio.Future[sluiceway.CloseInfo] = asyncio.get_running_loop().create_future()

    async def handle(stream: sluiceway.Stream) -> None:
        opened.set_result(stream)
        ended.set_result(await stream.aclose(linger=30))

    async with await sluiceway.start_server(sluiceway.stream_handler(handle), "127.0.0.1", 0) as server:
        peer = raw_peers.connect(server_address(server))
        stream = await opened
        await run_iterations()
        if aborts:
            server.abort_clients()
        else:
            server.close_clients()
            await run_iterations()
            assert not ended.done()
            peer.half_close()
        assert (await ended).flushed
        assert stream.is_closing()


async def test_lingering_close_after_the_end_of_input_closes_at_once(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        peer.half_close()
        assert await stream.read(1) == b""
        assert (await stream.aclose(linger=30)).reason == "closed"


async def test_lingering_close_after_a_reset_that_was_not_noticed_ends_at_once(raw_peers: RawPeers) -> None:
    """The kernel then refuses to end one direction alone."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.reset()
        info = await stream.aclose(linger=30)
        assert info.reason in {"reset", "closed"}
        assert stream.writer.transport.is_closing()
