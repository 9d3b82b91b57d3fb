"""X1 over TLS, on every side: what the peer does or leaves undone after our close neither hangs it nor disturbs it.

tests/closing/test_close_over_tls.py has more of the client.
"""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

from support.certificates import Certificates
from support.descriptors import descriptor_of, is_open
from support.held import unread_bytes
from support.peer import Peers
from support.timers import held_timers
from support.tls_sides import SIDES, facing_by_hand
from support.turns import started, turns

every_side = pytest.mark.parametrize("side", SIDES)

MIB = 1 << 20

# Seconds that no other timer has.
HELD = 54321.0


@every_side
async def test_it_never_answers_the_farewell(side: str, peer: Peers, tls: Certificates) -> None:
    """It ends by its timeout and not before; every byte and our farewell have arrived."""
    data = bytes(range(256)) * 100
    with held_timers(HELD) as timers:
        async with facing_by_hand(side, peer, tls, ssl_shutdown_timeout=HELD) as (reader, writer, wire, end):
            descriptor = descriptor_of(writer)
            writer.write(data)
            writer.close()
            closed = await started(writer.wait_closed())
            assert await wire.in_thread(end.receive_rest) == data
            await turns(20)
            assert not closed.done()
            timers.fire()
            assert await closed is None
            assert not is_open(descriptor)
            assert reader.eof_reason == "closed"
            assert reader.exception() is None


@every_side
async def test_it_goes_on_sending_and_then_answers(side: str, peer: Peers, tls: Certificates) -> None:
    """What it sends is read, so that it can come to its end, and held nowhere; the answer behind it ends it at once."""
    with held_timers(HELD):
        async with facing_by_hand(side, peer, tls, ssl_shutdown_timeout=HELD) as (reader, writer, wire, end):
            wire.send(end.sealed(b"before"))
            assert await reader.readexactly(6) == b"before"
            writer.close()
            closed = await started(writer.wait_closed())

            def go_on() -> None:
                for _ in range(64):
                    wire.send(end.sealed(bytes(MIB // 16)))
                wire.send(end.farewell())

            await wire.in_thread(go_on)
            assert await closed is None
            assert unread_bytes(reader) == 0
            assert await reader.read() == b""
            assert reader.exception() is None


@every_side
async def test_it_never_stops_sending(side: str, peer: Peers, tls: Certificates) -> None:
    """Whatever still arrives, the timeout ends it."""
    with held_timers(HELD) as timers:
        async with facing_by_hand(side, peer, tls, ssl_shutdown_timeout=HELD) as (reader, writer, wire, end):
            descriptor = descriptor_of(writer)
            sent = 0

            def pour() -> None:
                nonlocal sent
                with contextlib.suppress(ConnectionError):
                    while True:
                        wire.send(end.sealed(bytes(10_000)))
                        sent += 10_000

            pouring = asyncio.create_task(wire.in_thread(pour))
            assert await reader.readexactly(100_000) == bytes(100_000)
            writer.close()
            closed = await started(writer.wait_closed())
            at_close = sent
            while sent < at_close + 4 * MIB:  # more than the kernel would hold for it
                await asyncio.sleep(0)
            assert not closed.done()
            held = unread_bytes(reader)
            timers.fire()
            assert await closed is None
            assert not is_open(descriptor)
            assert unread_bytes(reader) == held
            await pouring


@every_side
@pytest.mark.parametrize("what", ["garbage", "a changed record", "an alert", "reset", "cut"])
async def test_it_misbehaves(side: str, what: str, peer: Peers, tls: Certificates, loop_errors: Any) -> None:
    """What is wrong after our close is nobody's concern: nothing is raised or told."""
    async with facing_by_hand(side, peer, tls) as (reader, writer, wire, end):
        descriptor = descriptor_of(writer)
        writer.close()
        closed = await started(writer.wait_closed())
        if what == "garbage":
            wire.send(b"no record of TLS, and more than a header")
        elif what == "a changed record":
            record = bytearray(end.sealed(b"forged"))
            record[-1] ^= 1
            wire.send(bytes(record))
        elif what == "an alert":
            wire.send(b"\x15\x03\x03\x00\x02\x02\x28")
        elif what == "reset":
            wire.reset()
        else:
            wire.half_close()
        assert await asyncio.wait_for(closed, 10) is None
        assert not is_open(descriptor)
        assert reader.eof_reason in ("closed", "reset" if what == "reset" else "closed")
        assert loop_errors == []


@every_side
async def test_both_say_farewell_at_once(side: str, peer: Peers, tls: Certificates) -> None:
    async with facing_by_hand(side, peer, tls) as (reader, writer, wire, end):
        wire.send(end.sealed(b"last") + end.farewell())
        writer.write(b"words")
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 10)
        try:
            assert await wire.in_thread(end.receive_rest) == b"words"
        except ssl.SSLEOFError:
            pytest.fail("no farewell of ours")
