"""X1 where the program does not close: the peer, or the transport, starts the close, and a task waits in drain()."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connect_with_protocol
from support.manual_timers import ManualTimers, manual_timers
from support.non_reading_peer import PAYLOAD, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until
from support.tls_connections import manual_tls_connection

# Seconds that no other timer has.
HELD = 12345.0

TIMEOUTS = [
    {"close_timeout": HELD, "ssl_shutdown_timeout": 2 * HELD},
    {"close_timeout": None, "ssl_shutdown_timeout": HELD},
]


async def drain_ends_by_timeout(
    writer: Any, timers: ManualTimers, start_close: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Wait in drain(), let the close start, and fire the timers until the wait is over."""
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
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "took nothing for 12345 s" in record.getMessage()


@pytest.mark.parametrize("timeouts", TIMEOUTS, ids=["close_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("end", ["close_notify", "end of TCP"])
async def test_tls_peer_that_ends_and_reads_nothing(
    end: str, timeouts: dict[str, Any], raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    listener = raw_peers.listen()
    with manual_timers(HELD) as timers:
        opening = asyncio.create_task(
            sluiceway.open_connection(
                *listener.address, ssl=tls.client_context, server_hostname="localhost", **timeouts
            )
        )
        peer = await asyncio.to_thread(listener.accept)
        await peer.in_thread(_handshake, peer, tls)
        _, writer = await opening
        writer.write(PAYLOAD)
        ends = {"close_notify": lambda: _send_close_notify(peer), "end of TCP": peer.half_close}
        await drain_ends_by_timeout(writer, timers, ends[end], caplog)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _handshake(peer: Any, tls: Certificates) -> None:
    peer.start_tls(tls.server_context, server_side=True)


def _send_close_notify(peer: Any) -> None:
    peer.sock.setblocking(False)
    with contextlib.suppress(OSError):
        peer.sock.unwrap()


async def test_plain_peer_that_ends_and_reads_nothing(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A protocol that does not keep the connection open after the peer's end."""
    monkeypatch.setattr(sluiceway.StreamReaderProtocol, "eof_received", lambda _self: False)
    async with pending_writes(sluiceway, raw_peers, close_timeout=HELD) as (_, writer, peer):
        with manual_timers(HELD) as timers:
            await drain_ends_by_timeout(writer, timers, peer.half_close, caplog)


async def test_transport_closed_while_another_task_drains(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    async with pending_writes(sluiceway, raw_peers, close_timeout=HELD) as (_, writer, _peer):
        with manual_timers(HELD) as timers:
            await drain_ends_by_timeout(writer, timers, writer.transport.close, caplog)


async def test_transport_of_the_loop_closed_while_another_task_drains(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that the program made by loop.create_connection()."""
    listener = raw_peers.listen()
    async with connect_with_protocol(sluiceway, listener.address) as (_, writer, protocol):
        listener.accept()
        protocol.close_timeout = HELD
        with manual_timers(HELD) as timers:
            writer.write(PAYLOAD)
            await wait_until(lambda: protocol._paused)
            await drain_ends_by_timeout(writer, timers, writer.transport.close, caplog)


async def test_progress_of_a_peer_that_ended_is_waited_for(
    raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """A peer that reads on after its close_notify gets everything."""
    async with manual_tls_connection("client", raw_peers, tls, close_timeout=HELD, ssl_shutdown_timeout=2 * HELD) as (
        _,
        writer,
        peer,
        manual_tls,
    ):
        with manual_timers(HELD) as timers:
            writer.write(PAYLOAD)
            peer.send(manual_tls.close_notify())
            await wait_until(writer.transport.is_closing)
            receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
            await writer.wait_closed()
            assert len(await receiving) > len(PAYLOAD)
            assert timers.pending == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.loops("asyncio", "debug")
async def test_tls_of_the_loop_that_the_peer_ends(
    raw_peers: RawPeers, tls: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that the program made by loop.create_connection(ssl=): its own timeout does not cover the bytes that
    wait below TLS."""
    listener = raw_peers.listen()
    reader = sluiceway.StreamReader()
    protocol = sluiceway.StreamReaderProtocol(reader)
    protocol.close_timeout = HELD
    loop = asyncio.get_running_loop()
    opening = asyncio.create_task(
        loop.create_connection(lambda: protocol, *listener.address, ssl=tls.client_context, server_hostname="localhost")
    )
    peer = await asyncio.to_thread(listener.accept)
    await peer.in_thread(_handshake, peer, tls)
    transport, _ = await opening
    writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
    with manual_timers(HELD) as timers:
        writer.write(PAYLOAD)
        _send_close_notify(peer)
        while not protocol._connection_lost:
            timers.fire()
            await asyncio.sleep(0)
        assert timers.pending == []
    assert any("took nothing for 12345 s" in record.getMessage() for record in caplog.records)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
