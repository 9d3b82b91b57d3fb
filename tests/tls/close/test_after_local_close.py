"""X1 over TLS, on every side: what the peer does or leaves undone after our close neither hangs it nor disturbs it.

tests/closing/test_tls_close.py has more of the client.
"""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

from support.certificates import Certificates
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.manual_timers import manual_timers
from support.memory_usage import buffered_size
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task
from support.tls_connections import TLS_ROLES, manual_tls_connection

every_side = pytest.mark.parametrize("role", TLS_ROLES)

MIB = 1 << 20

# Seconds that no other timer has.
HELD = 54321.0


@every_side
async def test_it_never_answers_close_notify(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """It ends by its timeout and not before; every byte and our close_notify have arrived."""
    data = bytes(range(256)) * 100
    with manual_timers(HELD) as timers:
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=HELD) as (
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


@every_side
async def test_it_goes_on_sending_and_then_answers(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """What it sends is read, so that it can come to its end, and held nowhere; the answer behind it ends it at once."""
    with manual_timers(HELD):
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=HELD) as (
            reader,
            writer,
            peer,
            manual_tls,
        ):
            peer.send(manual_tls.encrypt(b"before"))
            assert await reader.readexactly(6) == b"before"
            writer.close()
            closed = await start_task(writer.wait_closed())

            def go_on() -> None:
                for _ in range(64):
                    peer.send(manual_tls.encrypt(bytes(MIB // 16)))
                peer.send(manual_tls.close_notify())

            await peer.in_thread(go_on)
            assert await closed is None
            assert buffered_size(reader) == 0
            assert await reader.read() == b""
            assert reader.exception() is None


@every_side
async def test_it_never_stops_sending(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """Whatever still arrives, the timeout ends it."""
    with manual_timers(HELD) as timers:
        async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=HELD) as (
            reader,
            writer,
            peer,
            manual_tls,
        ):
            descriptor = socket_descriptor(writer)
            sent = 0

            def pour() -> None:
                nonlocal sent
                with contextlib.suppress(ConnectionError):
                    while True:
                        peer.send(manual_tls.encrypt(bytes(10_000)))
                        sent += 10_000

            pouring = asyncio.create_task(peer.in_thread(pour))
            assert await reader.readexactly(100_000) == bytes(100_000)
            writer.close()
            closed = await start_task(writer.wait_closed())
            at_close = sent
            while sent < at_close + 4 * MIB:  # more than the kernel would hold for it
                await asyncio.sleep(0)
            assert not closed.done()
            held = buffered_size(reader)
            timers.fire()
            assert await closed is None
            assert not is_descriptor_open(descriptor)
            assert buffered_size(reader) == held
            await pouring


@every_side
@pytest.mark.parametrize("what", ["garbage", "a changed record", "an alert", "reset", "cut"])
async def test_it_misbehaves(role: str, what: str, raw_peers: RawPeers, tls: Certificates, loop_errors: Any) -> None:
    """What is wrong after our close is nobody's concern: nothing is raised or told."""
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        descriptor = socket_descriptor(writer)
        writer.close()
        closed = await start_task(writer.wait_closed())
        if what == "garbage":
            peer.send(b"no record of TLS, and more than a header")
        elif what == "a changed record":
            record = bytearray(manual_tls.encrypt(b"forged"))
            record[-1] ^= 1
            peer.send(bytes(record))
        elif what == "an alert":
            peer.send(b"\x15\x03\x03\x00\x02\x02\x28")
        elif what == "reset":
            peer.reset()
        else:
            peer.half_close()
        assert await asyncio.wait_for(closed, 10) is None
        assert not is_descriptor_open(descriptor)
        assert reader.eof_reason in ("closed", "reset" if what == "reset" else "closed")
        assert loop_errors == []


@every_side
async def test_both_send_close_notify_at_once(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"last") + manual_tls.close_notify())
        writer.write(b"words")
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 10)
        try:
            assert await peer.in_thread(manual_tls.receive_rest) == b"words"
        except ssl.SSLEOFError:
            pytest.fail("no close_notify from sluiceway")
