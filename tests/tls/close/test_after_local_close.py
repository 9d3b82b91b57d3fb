"""X1 over TLS: close() completes without an error, whatever the peer sends or omits afterwards.

tests/closing/test_tls_close.py has further tests of the client.
"""

import asyncio
import contextlib
import socket
import ssl
import types
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import LINGER_MAXIMUM
from support.certificates import Certificates
from support.connections import connected_pair
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.manual_timers import manual_timers
from support.manual_tls import ManualTLS
from support.memory_usage import buffered_size
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, start_task
from support.tls_connections import TLS_ROLES, manual_tls_connection

each_role = pytest.mark.parametrize("role", TLS_ROLES)

MIB = 1 << 20
DATA = bytes(range(256)) * 12_000

# Seconds; no other timer has this delay.
MANUAL_DELAY = 54321.0


@each_role
async def test_close_waits_for_ssl_shutdown_timeout_without_the_peers_close_notify(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """X1: the close does not end before the timeout; the peer receives every byte and close_notify."""
    data = bytes(range(256)) * 100
    with manual_timers(MANUAL_DELAY) as timers:
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=MANUAL_DELAY) as (
            reader,
            writer,
            peer,
            manual_tls,
        ):
            descriptor = socket_descriptor(writer)
            writer.write(data)
            writer.close()
            closed = await start_task(writer.wait_closed())
            assert await peer.in_thread(manual_tls.receive_rest) == data
            await run_iterations(20)
            assert not closed.done()
            timers.fire()
            assert await closed is None
            assert not is_descriptor_open(descriptor)
            assert reader.eof_reason == "closed"
            assert reader.exception() is None


@each_role
async def test_data_received_after_close_is_discarded_until_close_notify(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """X1: received data is read and not buffered; the close_notify after it ends the close."""
    with manual_timers(MANUAL_DELAY):
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=MANUAL_DELAY) as (
            reader,
            writer,
            peer,
            manual_tls,
        ):
            peer.send(manual_tls.encrypt(b"before"))
            assert await reader.readexactly(6) == b"before"
            writer.close()
            closed = await start_task(writer.wait_closed())

            def send_rest() -> None:
                for _ in range(64):
                    peer.send(manual_tls.encrypt(bytes(MIB // 16)))
                peer.send(manual_tls.close_notify())

            await peer.in_thread(send_rest)
            assert await closed is None
            assert buffered_size(reader) == 0
            assert await reader.read() == b""
            assert reader.exception() is None


@each_role
async def test_timeout_ends_the_close_while_the_peer_keeps_sending(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """X1: arriving data does not extend ssl_shutdown_timeout."""
    with manual_timers(MANUAL_DELAY) as timers:
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=MANUAL_DELAY) as (
            reader,
            writer,
            peer,
            manual_tls,
        ):
            descriptor = socket_descriptor(writer)
            sent = 0

            def send_endlessly() -> None:
                nonlocal sent
                with contextlib.suppress(ConnectionError):
                    while True:
                        peer.send(manual_tls.encrypt(bytes(10_000)))
                        sent += 10_000

            sending = asyncio.create_task(peer.in_thread(send_endlessly))
            assert await reader.readexactly(100_000) == bytes(100_000)
            writer.close()
            closed = await start_task(writer.wait_closed())
            at_close = sent
            while sent < at_close + 4 * MIB:  # more than the kernel buffers
                await asyncio.sleep(0)
            assert not closed.done()
            held = buffered_size(reader)
            timers.fire()
            assert await closed is None
            assert not is_descriptor_open(descriptor)
            assert buffered_size(reader) == held
            await sending


@each_role
@pytest.mark.parametrize("pending", [False, True])
async def test_close_ends_without_close_notify_after_a_number_of_discarded_bytes(
    role: str, raw_peers: RawPeers, tls: Certificates, pending: bool
) -> None:
    """X2: the bound of a lingering close. Data that is still unsent then is sent first."""
    with manual_timers(MANUAL_DELAY):
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=MANUAL_DELAY) as (
            _,
            writer,
            peer,
            manual_tls,
        ):
            receiver = writer.transport._receiver
            assert receiver.discard_left == LINGER_MAXIMUM
            receiver.discard_left = 1000
            data = bytes(16 * MIB if pending else 10)
            writer.write(data)
            writer.close()
            closed = await start_task(writer.wait_closed())
            await peer.in_thread(peer.send, manual_tls.encrypt(bytes(1000)))
            assert await peer.in_thread(manual_tls.receive, 10) == bytes(10)
            await run_iterations()
            assert not closed.done()
            await peer.in_thread(peer.send, manual_tls.encrypt(b"x"))
            assert await peer.in_thread(manual_tls.receive, len(data) - 10) == data[10:]
            assert await closed is None


@each_role
@pytest.mark.parametrize("sent", ["garbage", "a changed record", "an alert", "reset", "FIN"])
async def test_errors_of_the_peer_after_close_are_not_reported(
    role: str, sent: str, raw_peers: RawPeers, tls: Certificates, loop_errors: Any
) -> None:
    """X1: wait_closed() returns, and the loop's exception handler is not called."""
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        descriptor = socket_descriptor(writer)
        writer.close()
        closed = await start_task(writer.wait_closed())
        if sent == "garbage":
            peer.send(b"no record of TLS, and more than a header")
        elif sent == "a changed record":
            record = bytearray(manual_tls.encrypt(b"forged"))
            record[-1] ^= 1
            peer.send(bytes(record))
        elif sent == "an alert":
            peer.send(b"\x15\x03\x03\x00\x02\x02\x28")
        elif sent == "reset":
            peer.reset()
        else:
            peer.half_close()
        assert await closed is None
        assert not is_descriptor_open(descriptor)
        assert reader.eof_reason in ("closed", "reset" if sent == "reset" else "closed")
        assert loop_errors == []


@each_role
async def test_simultaneous_close_notify_delivers_the_data_of_both_sides(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"data") + manual_tls.close_notify())
        writer.write(b"data")
        writer.close()
        await writer.wait_closed()
        try:
            assert await peer.in_thread(manual_tls.receive_rest) == b"data"
        except ssl.SSLEOFError:
            pytest.fail("no close_notify from sluiceway")


async def test_write_buffer_limits_after_the_end_raise_no_error(streams: types.ModuleType, tls: Certificates) -> None:
    """As on the TLS transports of asyncio and uvloop, although uvloop's transport below raises RuntimeError."""
    client = {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with connected_pair(streams, server={"ssl": tls.server_context}, client=client) as ((_, writer), _):
        writer.transport.abort()
        await writer.wait_closed()
        writer.transport.set_write_buffer_limits(high=100)


class _ClosesWhenPaused(asyncio.Protocol):
    """Answers the end of the peer with DATA, and closes when writing is paused."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.lost = asyncio.get_running_loop().create_future()
        self.paused = False

    def eof_received(self) -> None:
        self._transport.write(DATA)

    def pause_writing(self) -> None:
        self.paused = True
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


async def test_close_in_pause_writing_after_the_end_of_the_peer_sends_everything(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    def serve(peer: RawPeer) -> bytes:
        manual_tls = ManualTLS(peer, tls.server_context, server_side=True)
        manual_tls.do_handshake()
        peer.wait_for("protocol")
        peer.send(manual_tls.close_notify())
        return manual_tls.receive_rest()

    script = raw_peers.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    protocol = _ClosesWhenPaused(writer.transport)
    writer.transport.set_protocol(protocol)
    script.signal("protocol")
    assert await script.finished() == DATA
    assert await protocol.lost is None
    assert protocol.paused
