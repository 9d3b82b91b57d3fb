"""R1 over TLS: cancelled and timed-out reads lose no byte of records that arrive in small pieces.

tests/reading/test_retried_reads.py tests records that arrive whole, and every way to interrupt a read.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.retried_reads import RetryCount, retry_cancelled, retry_timed_out
from support.scheduling import run_iterations, wait_until
from support.tls_connections import TLS_SIDES, manual_tls_connection

LINES = [b"%d %s\n" % (number, b"x" * (number * 37 % 90)) for number in range(15)]
DATA = b"".join(LINES)
# Sizes of the records, in turn; few end with a line.
RECORDS = [1, 40, 7, 300, 2, 90]

Wait = Callable[[Any, RetryCount], Awaitable[bytes]]

WAITS: dict[str, Wait] = {
    "cancelled": retry_cancelled,
    "wait_for": lambda call, interruptions: retry_timed_out(call, interruptions, "wait_for"),
    "timeout": lambda call, interruptions: retry_timed_out(call, interruptions, "timeout"),
}

each_role = pytest.mark.parametrize("role", TLS_SIDES)
each_wait = pytest.mark.parametrize("wait", WAITS)


def encrypt_data(manual_tls: ManualTLS) -> bytes:
    records, at, number = [], 0, 0
    while at < len(DATA):
        content = DATA[at : at + RECORDS[number % len(RECORDS)]]
        records.append(manual_tls.encrypt(content))
        at += len(content)
        number += 1
    return b"".join(records) + manual_tls.close_notify()


async def send_in_pieces(peer: RawPeer, ciphertext: bytes, size: int, interruptions: RetryCount) -> None:
    """Send in pieces of ``size`` bytes; after every eighth wait until a read has been interrupted."""
    for at in range(0, len(ciphertext), size):
        seen = interruptions.count
        peer.send(ciphertext[at : at + size])
        await run_iterations(2)
        if at // size % 8 == 7:
            await wait_until(lambda seen=seen: interruptions.count > seen)  # type: ignore[misc]
    peer.half_close()


@contextlib.asynccontextmanager
async def fragmenting_peer(
    role: str, raw_peers: RawPeers, tls: Certificates, *, size: int = 1, limit: int = 1 << 16
) -> AsyncIterator[tuple[Any, RetryCount]]:
    """Yield the reader and the count of interruptions; the block must read to EOF."""
    interruptions = RetryCount()
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        ciphertext = encrypt_data(manual_tls)
        sending = asyncio.create_task(send_in_pieces(peer, ciphertext, size, interruptions))
        try:
            yield reader, interruptions
            assert reader.at_eof()
            assert reader.eof_reason == "clean"
            assert interruptions.count >= len(ciphertext) // size // 8
            await sending
        finally:
            sending.cancel()


@each_wait
@each_role
async def test_interrupted_readline_loses_no_bytes(
    role: str, wait: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with fragmenting_peer(role, raw_peers, tls) as (reader, interruptions):
        for line in LINES:
            assert await WAITS[wait](reader.readline, interruptions) == line
        assert await WAITS[wait](reader.readline, interruptions) == b""


@each_wait
@each_role
async def test_interrupted_read_loses_no_bytes(role: str, wait: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with fragmenting_peer(role, raw_peers, tls) as (reader, interruptions):
        received = bytearray()
        while part := await WAITS[wait](lambda: reader.read(11), interruptions):
            received += part
        assert bytes(received) == DATA


@each_wait
@each_role
async def test_interrupted_readexactly_loses_no_bytes(
    role: str, wait: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    async with fragmenting_peer(role, raw_peers, tls) as (reader, interruptions):
        at = 0
        for count in (1, 41, 350, 2, len(DATA) - 394):
            read = await WAITS[wait](lambda count=count: reader.readexactly(count), interruptions)  # type: ignore[misc]
            assert read == DATA[at : at + count]
            at += count
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await WAITS[wait](lambda: reader.readexactly(1), interruptions)
        assert caught.value.partial == b""


@each_wait
@each_role
async def test_interrupted_readuntil_loses_no_bytes(
    role: str, wait: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """R1: the separator may be split between two records."""
    separator = b"xx\n"
    expected = [part + separator for part in DATA.split(separator)]
    async with fragmenting_peer(role, raw_peers, tls) as (reader, interruptions):
        for part in expected[:-1]:
            assert await WAITS[wait](lambda: reader.readuntil(separator), interruptions) == part
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await WAITS[wait](lambda: reader.readuntil(separator), interruptions)
        assert caught.value.partial + separator == expected[-1]


@each_wait
@each_role
async def test_interrupted_read_to_eof_loses_no_bytes(
    role: str, wait: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """R1: also where the data exceeds the bound of the buffer."""
    async with fragmenting_peer(role, raw_peers, tls, size=5, limit=100) as (reader, interruptions):
        assert await WAITS[wait](reader.read, interruptions) == DATA
