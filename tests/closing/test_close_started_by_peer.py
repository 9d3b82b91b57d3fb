"""X1: close_timeout also applies when the peer or transport.close(), and not close(), starts the close."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connect_with_protocol
from support.log_records import logged_warnings, only_warning
from support.manual_timers import ManualTimers, manual_timers
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until
from support.tls_connections import manual_tls_connection

# Seconds; no other timer has this delay.
MANUAL_DELAY = 12345.0

TIMEOUTS = [
    {"close_timeout": MANUAL_DELAY, "ssl_shutdown_timeout": 2 * MANUAL_DELAY},
    {"close_timeout": None, "ssl_shutdown_timeout": MANUAL_DELAY},
]


async def assert_timeout_ends_drain(
    writer: Any, timers: ManualTimers, start_close: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Wait in drain(), start the close, and fire the timers until drain() ends; expect one warning."""
    draining = await start_task(writer.drain())
    start_close()
    await wait_until(writer.transport.is_closing)
    assert not draining.done()
    while not draining.done():
        timers.fire()
        await asyncio.sleep(0)
    with contextlib.suppress(ConnectionError):
        await draining
    with pytest.raises(ConnectionError):
        await writer.drain()
    assert timers.pending == []
    assert "accepted no data for 12345 s" in only_warning(caplog)


@pytest.mark.parametrize("timeouts", TIMEOUTS, ids=["close_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("end", ["close_notify", "FIN"])
async def test_tls_peer_that_ends_and_never_reads_is_aborted_by_the_timeout(
    end: str, timeouts: dict[str, Any], raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    listener = raw_peers.listen()
    with manual_timers(MANUAL_DELAY) as timers:
        opening = asyncio.create_task(
            sluiceway.open_connection(
                *listener.address, ssl=tls.client_context, server_hostname="localhost", **timeouts
            )
        )
        peer = await asyncio.to_thread(listener.accept)
        await peer.in_thread(_handshake, peer, tls)
        _, writer = await opening
        writer.write(PAYLOAD)
        ends = {"close_notify": lambda: _send_close_notify(peer), "FIN": peer.half_close}
        await assert_timeout_ends_drain(writer, timers, ends[end], caplog)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _handshake(peer: Any, tls: Certificates) -> None:
    peer.start_tls(tls.server_context, server_side=True)


def _send_close_notify(peer: Any) -> None:
    peer.sock.setblocking(False)
    with contextlib.suppress(OSError):
        peer.sock.unwrap()


async def test_tcp_peer_that_ends_and_never_reads_is_aborted_by_the_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X1: the protocol returns False from eof_received(), so the transport closes at EOF."""
    monkeypatch.setattr(sluiceway.StreamReaderProtocol, "eof_received", lambda _self: False)
    with manual_timers(MANUAL_DELAY) as timers:
        async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
            await assert_timeout_ends_drain(writer, timers, peer.half_close, caplog)


async def test_transport_close_while_a_task_drains_is_bounded_by_the_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    with manual_timers(MANUAL_DELAY) as timers:
        async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, _peer):
            await assert_timeout_ends_drain(writer, timers, writer.transport.close, caplog)


async def assert_timeout_ends_connection(writer: Any, timers: ManualTimers, caplog: pytest.LogCaptureFixture) -> None:
    """Fire the timers until the connection is lost, in which no task drains; expect one warning."""
    await wait_until(writer.transport.is_closing)
    while not writer._protocol._connection_lost:
        timers.fire()
        await asyncio.sleep(0)
    assert timers.pending == []
    assert "accepted no data for 12345 s" in only_warning(caplog)


async def test_transport_close_without_a_drain_is_bounded_by_the_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    with manual_timers(MANUAL_DELAY) as timers:
        async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, _peer):
            writer.transport.close()
            await assert_timeout_ends_connection(writer, timers, caplog)


async def test_close_by_the_peer_without_a_drain_is_bounded_by_the_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protocol returns False from eof_received(). Its pause_writing() was not called."""
    monkeypatch.setattr(sluiceway.StreamReaderProtocol, "eof_received", lambda _self: False)
    with manual_timers(MANUAL_DELAY) as timers:
        async with non_reading_peer(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
            writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD))
            writer.write(PAYLOAD)
            assert writer.transport.get_write_buffer_size()
            peer.half_close()
            await assert_timeout_ends_connection(writer, timers, caplog)


async def test_close_of_a_loop_transport_while_a_task_drains_is_bounded_by_the_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: on a connection made by loop.create_connection()."""
    listener = raw_peers.listen()
    async with connect_with_protocol(sluiceway, listener.address) as (_, writer, protocol):
        listener.accept()
        protocol.close_timeout = MANUAL_DELAY
        with manual_timers(MANUAL_DELAY) as timers:
            writer.write(PAYLOAD)
            await wait_until(lambda: protocol._paused)
            await assert_timeout_ends_drain(writer, timers, writer.transport.close, caplog)


async def test_tls_peer_that_reads_after_its_close_notify_receives_everything(
    raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: the timeout does not fire while the peer reads."""
    async with manual_tls_connection(
        "client", raw_peers, tls, close_timeout=MANUAL_DELAY, ssl_shutdown_timeout=2 * MANUAL_DELAY
    ) as (
        _,
        writer,
        peer,
        manual_tls,
    ):
        with manual_timers(MANUAL_DELAY) as timers:
            writer.write(PAYLOAD)
            peer.send(manual_tls.close_notify())
            await wait_until(writer.transport.is_closing)
            receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
            await writer.wait_closed()
            assert len(await receiving) > len(PAYLOAD)
            assert timers.pending == []
    assert logged_warnings(caplog) == []


@pytest.mark.loops("asyncio", "debug")
async def test_loop_tls_connection_that_the_peer_ends_is_aborted_by_the_timeout(
    raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: on a connection made by loop.create_connection(ssl=), whose own timeout does not cover encrypted data."""
    listener = raw_peers.listen()
    reader = sluiceway.StreamReader()
    protocol = sluiceway.StreamReaderProtocol(reader)
    protocol.close_timeout = MANUAL_DELAY
    loop = asyncio.get_running_loop()
    opening = asyncio.create_task(
        loop.create_connection(lambda: protocol, *listener.address, ssl=tls.client_context, server_hostname="localhost")
    )
    peer = await asyncio.to_thread(listener.accept)
    await peer.in_thread(_handshake, peer, tls)
    transport, _ = await opening
    writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
    with manual_timers(MANUAL_DELAY) as timers:
        writer.write(PAYLOAD)
        _send_close_notify(peer)
        while not protocol._connection_lost:
            timers.fire()
            await asyncio.sleep(0)
        assert timers.pending == []
    assert any("accepted no data for 12345 s" in record.getMessage() for record in caplog.records)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
