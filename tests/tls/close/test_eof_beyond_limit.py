"""R3, T3: reads return all data of a peer that has ended, also where it exceeds the bound of the buffer."""

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
from support.tls_connections import TLS_SIDES, manual_tls_connection

KIB = 1024
LIMITS = {"1 KiB": KIB, "16 KiB": 16 * KIB}
LINE = bytes(range(11, 255)) + b"\n"

ReadAll = Callable[[Any, int], Any]


async def in_one_read(reader: Any, size: int) -> bytes:
    data: bytes = await reader.read()
    return data


async def in_pieces(reader: Any, size: int) -> bytes:
    parts = []
    while part := await reader.read(700):
        parts.append(part)
    return b"".join(parts)


async def by_readexactly(reader: Any, size: int) -> bytes:
    return b"".join([await reader.readexactly(size - 5), await reader.readexactly(5)])


async def by_line(reader: Any, size: int) -> bytes:
    return b"".join([line async for line in reader])


async def by_readuntil(reader: Any, size: int) -> bytes:
    return b"".join([await reader.readuntil(b"\n") for _ in range(size // len(LINE))])


READ_METHODS: list[ReadAll] = [in_one_read, in_pieces, by_readexactly, by_line, by_readuntil]

each_role = pytest.mark.parametrize("role", TLS_SIDES)
each_limit = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
each_read_method = pytest.mark.parametrize("read", READ_METHODS, ids=lambda read: read.__name__)


def close_notify_if_clean(manual_tls: ManualTLS, reason: str) -> bytes:
    return manual_tls.close_notify() if reason == "clean" else b""


async def send_all(reader: Any, peer: RawPeer, manual_tls: ManualTLS, limit: int, reason: str) -> bytes:
    """Send many times the limit, then FIN; return the sent data once it is in the kernel and reading is paused."""
    data = LINE * ((16 * limit + 100 * KIB) // len(LINE))
    sent = peer.in_thread(peer.send, manual_tls.encrypt(data) + close_notify_if_clean(manual_tls, reason))
    await sent
    peer.half_close()
    await wait_until(lambda: reader._paused)
    await run_iterations(20)
    assert buffered_size(reader) < len(data)
    # The end has not been received yet.
    assert not reader.at_eof()
    assert reader.eof_reason is None
    return data


@each_read_method
@pytest.mark.parametrize("reason", ["clean", "truncated"])
@each_limit
@each_role
async def test_reads_return_all_data_before_eof(
    role: str, limit: int, reason: str, read: ReadAll, raw_peers: RawPeers, tls: Certificates
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


@each_limit
@each_role
async def test_strict_eof_raises_after_all_data(role: str, limit: int, raw_peers: RawPeers, tls: Certificates) -> None:
    async with manual_tls_connection(role, raw_peers, tls, limit=limit, strict_eof=True) as (
        reader,
        _,
        peer,
        manual_tls,
    ):
        data = await send_all(reader, peer, manual_tls, limit, "truncated")
        received = bytearray()
        with pytest.raises(ssl.SSLEOFError):
            while True:
                received += await reader.read(700)
        assert bytes(received) == data
        assert reader.eof_reason == "truncated"


@pytest.mark.parametrize("reason", ["clean", "truncated"])
@each_role
async def test_incomplete_read_has_the_truncation_as_its_cause(
    role: str, reason: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    limit = KIB
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        data = await send_all(reader, peer, manual_tls, limit, reason)
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(len(data) + 1)
        assert caught.value.partial == data
        assert caught.value.expected == len(data) + 1
        assert isinstance(caught.value.__cause__, ssl.SSLEOFError) == (reason == "truncated")


@each_role
async def test_reset_is_raised_after_the_received_data(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """R2: data received before the reset is returned, in order, and then the error."""
    limit = KIB
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        data = LINE * ((16 * limit + 100 * KIB) // len(LINE))
        await peer.in_thread(peer.send, manual_tls.encrypt(data))
        await wait_until(lambda: reader._paused)
        held = buffered_size(reader)
        peer.reset()
        received = bytearray()
        with pytest.raises(ConnectionResetError):
            while True:
                part = await reader.read(700)
                assert part
                received += part
        assert len(received) >= held
        assert data.startswith(bytes(received))
        assert reader.eof_reason == "reset"


@each_role
async def test_close_with_unread_data_completes_at_the_peers_close_notify(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """X1: the close discards the data in the kernel and ends at the close_notify after it."""
    limit = KIB
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, writer, peer, manual_tls):
        await send_all(reader, peer, manual_tls, limit, "clean")
        writer.close()
        await writer.wait_closed()
        assert await peer.in_thread(manual_tls.receive_rest) == b""  # ended by sluiceway's close_notify
