"""R3 and T3: the peer has ended, and before its end lies more than may be held unread: all of it is read first."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.held import unread_bytes
from support.peer import Peers, Wire
from support.tls_by_hand import TLSEnd
from support.tls_sides import SIDES, facing_by_hand
from support.turns import turns, until

KIB = 1024
LIMITS = {"1 KiB": KIB, "16 KiB": 16 * KIB}
LINE = bytes(range(11, 255)) + b"\n"

Reading = Callable[[Any, int], Any]


async def at_once(reader: Any, size: int) -> bytes:
    data: bytes = await reader.read()
    return data


async def in_pieces(reader: Any, size: int) -> bytes:
    parts = []
    while part := await reader.read(700):
        parts.append(part)
    return b"".join(parts)


async def counted(reader: Any, size: int) -> bytes:
    return b"".join([await reader.readexactly(size - 5), await reader.readexactly(5)])


async def by_line(reader: Any, size: int) -> bytes:
    return b"".join([line async for line in reader])


async def separated(reader: Any, size: int) -> bytes:
    return b"".join([await reader.readuntil(b"\n") for _ in range(size // len(LINE))])


READINGS: list[Reading] = [at_once, in_pieces, counted, by_line, separated]

every_side = pytest.mark.parametrize("side", SIDES)
every_limit = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
every_reading = pytest.mark.parametrize("read", READINGS, ids=lambda read: read.__name__)


def ended_by(end: TLSEnd, reason: str) -> bytes:
    return end.farewell() if reason == "clean" else b""


async def send_all(reader: Any, wire: Wire, end: TLSEnd, limit: int, reason: str) -> bytes:
    """Send many limits' worth, and the end; return what was sent when the kernel has it and no more is received."""
    data = LINE * ((16 * limit + 100 * KIB) // len(LINE))
    sent = wire.in_thread(wire.send, end.sealed(data) + ended_by(end, reason))
    await sent
    wire.half_close()
    await until(lambda: reader._paused)
    await turns(20)
    assert unread_bytes(reader) < len(data)
    # It is not known yet that the peer has ended.
    assert not reader.at_eof()
    assert reader.eof_reason is None
    return data


@every_reading
@pytest.mark.parametrize("reason", ["clean", "truncated"])
@every_limit
@every_side
async def test_everything_is_read_and_then_the_end(
    side: str, limit: int, reason: str, read: Reading, peer: Peers, tls: Certificates
) -> None:
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, writer, wire, end):
        data = await send_all(reader, wire, end, limit, reason)
        assert await read(reader, len(data)) == data
        assert await reader.read(1) == b""
        assert reader.at_eof()
        assert reader.eof_reason == reason
        assert reader.exception() is None
        writer.close()
        await writer.wait_closed()
        assert reader.eof_reason == reason


@every_limit
@every_side
async def test_a_truncation_that_is_an_error(side: str, limit: int, peer: Peers, tls: Certificates) -> None:
    async with facing_by_hand(side, peer, tls, limit=limit, strict_eof=True) as (reader, _, wire, end):
        data = await send_all(reader, wire, end, limit, "truncated")
        got = bytearray()
        with pytest.raises(ssl.SSLEOFError):
            while True:
                got += await reader.read(700)
        assert bytes(got) == data
        assert reader.eof_reason == "truncated"


@pytest.mark.parametrize("reason", ["clean", "truncated"])
@every_side
async def test_a_part_is_told_from_the_whole(side: str, reason: str, peer: Peers, tls: Certificates) -> None:
    limit = KIB
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, _, wire, end):
        data = await send_all(reader, wire, end, limit, reason)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(len(data) + 1)
        assert caught.value.partial == data
        assert caught.value.expected == len(data) + 1
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError) == (reason == "truncated")


@every_side
async def test_a_reset_behind_it(side: str, peer: Peers, tls: Certificates) -> None:
    """R2: what had arrived before the reset is delivered, in order, and then the error."""
    limit = KIB
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, _, wire, end):
        data = LINE * ((16 * limit + 100 * KIB) // len(LINE))
        await wire.in_thread(wire.send, end.sealed(data))
        await until(lambda: reader._paused)
        held = unread_bytes(reader)
        wire.reset()
        got = bytearray()
        with pytest.raises(ConnectionResetError):
            while True:
                part = await reader.read(700)
                assert part
                got += part
        assert len(got) >= held
        assert data.startswith(bytes(got))
        assert reader.eof_reason == "reset"


@every_side
async def test_closed_unread(side: str, peer: Peers, tls: Certificates) -> None:
    """X1: nobody reads it: closing drops what is in the kernel, and is over when the end behind that is found."""
    limit = KIB
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, writer, wire, end):
        await send_all(reader, wire, end, limit, "clean")
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 10)
        assert await wire.in_thread(end.receive_rest) == b""  # our farewell
