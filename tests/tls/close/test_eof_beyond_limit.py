"""R3 and T3: the peer has ended, and before its end lies more than may be held unread: all of it is read first."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.memory_usage import buffered_size
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, wait_until
from support.tls_connections import TLS_ROLES, manual_tls_connection

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

every_side = pytest.mark.parametrize("role", TLS_ROLES)
every_limit = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
every_reading = pytest.mark.parametrize("read", READINGS, ids=lambda read: read.__name__)


def ended_by(manual_tls: ManualTLS, reason: str) -> bytes:
    return manual_tls.close_notify() if reason == "clean" else b""


async def send_all(reader: Any, peer: RawPeer, manual_tls: ManualTLS, limit: int, reason: str) -> bytes:
    """Send many limits' worth, and the end; return what was sent when the kernel has it and no more is received."""
    data = LINE * ((16 * limit + 100 * KIB) // len(LINE))
    sent = peer.in_thread(peer.send, manual_tls.encrypt(data) + ended_by(manual_tls, reason))
    await sent
    peer.half_close()
    await wait_until(lambda: reader._paused)
    await run_iterations(20)
    assert buffered_size(reader) < len(data)
    # It is not known yet that the peer has ended.
    assert not reader.at_eof()
    assert reader.eof_reason is None
    return data


@every_reading
@pytest.mark.parametrize("reason", ["clean", "truncated"])
@every_limit
@every_side
async def test_everything_is_read_and_then_the_end(
    role: str, limit: int, reason: str, read: Reading, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, writer, peer, manual_tls):
        data = await send_all(reader, peer, manual_tls, limit, reason)
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
async def test_a_truncation_that_is_an_error(role: str, limit: int, raw_peers: RawPeers, tls: Certificates) -> None:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit, strict_eof=True) as (
        reader,
        _,
        peer,
        manual_tls,
    ):
        data = await send_all(reader, peer, manual_tls, limit, "truncated")
        got = bytearray()
        with pytest.raises(ssl.SSLEOFError):
            while True:
                got += await reader.read(700)
        assert bytes(got) == data
        assert reader.eof_reason == "truncated"


@pytest.mark.parametrize("reason", ["clean", "truncated"])
@every_side
async def test_a_part_is_told_from_the_whole(role: str, reason: str, raw_peers: RawPeers, tls: Certificates) -> None:
    limit = KIB
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        data = await send_all(reader, peer, manual_tls, limit, reason)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(len(data) + 1)
        assert caught.value.partial == data
        assert caught.value.expected == len(data) + 1
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError) == (reason == "truncated")


@every_side
async def test_a_reset_behind_it(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """R2: what had arrived before the reset is delivered, in order, and then the error."""
    limit = KIB
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        data = LINE * ((16 * limit + 100 * KIB) // len(LINE))
        await peer.in_thread(peer.send, manual_tls.encrypt(data))
        await wait_until(lambda: reader._paused)
        held = buffered_size(reader)
        peer.reset()
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
async def test_closed_unread(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """X1: nobody reads it: closing drops what is in the kernel, and is over when the end behind that is found."""
    limit = KIB
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, writer, peer, manual_tls):
        await send_all(reader, peer, manual_tls, limit, "clean")
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), 10)
        assert await peer.in_thread(manual_tls.receive_rest) == b""  # our close_notify
