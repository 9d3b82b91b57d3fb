"""R1 over TLS: reads that are cancelled or time out while records arrive in tiny pieces, each received by itself.

tests/reading/test_retried_reads.py has records that arrive whole.
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
from support.tls_connections import TLS_ROLES, manual_tls_connection

LINES = [b"%d %s\n" % (number, b"x" * (number * 37 % 90)) for number in range(15)]
DATA = b"".join(LINES)
# Bytes in each record, in turn: few end where a line ends.
RECORDS = [1, 40, 7, 300, 2, 90]

Wait = Callable[[Any, RetryCount], Awaitable[bytes]]

WAITS: dict[str, Wait] = {
    "cancelled": retry_cancelled,
    "wait_for": lambda call, interruptions: retry_timed_out(call, interruptions, "wait_for"),
    "timeout": lambda call, interruptions: retry_timed_out(call, interruptions, "timeout"),
}

every_side = pytest.mark.parametrize("role", TLS_ROLES)
every_wait = pytest.mark.parametrize("wait", WAITS)


def sealed(manual_tls: ManualTLS) -> bytes:
    records, at, number = [], 0, 0
    while at < len(DATA):
        content = DATA[at : at + RECORDS[number % len(RECORDS)]]
        records.append(manual_tls.encrypt(content))
        at += len(content)
        number += 1
    return b"".join(records) + manual_tls.close_notify()


async def drip(peer: RawPeer, ciphertext: bytes, size: int, interruptions: RetryCount) -> None:
    """Send it in pieces, and wait behind every eighth until a read has been given up for it."""
    for at in range(0, len(ciphertext), size):
        seen = interruptions.count
        peer.send(ciphertext[at : at + size])
        await run_iterations(2)
        if at // size % 8 == 7:
            await wait_until(lambda seen=seen: interruptions.count > seen)  # type: ignore[misc]
    peer.half_close()


@contextlib.asynccontextmanager
async def dripping(
    role: str, raw_peers: RawPeers, tls: Certificates, *, size: int = 1, limit: int = 1 << 16
) -> AsyncIterator[tuple[Any, RetryCount]]:
    """Yield the reader, and what counts the interruptions; it must have been read to its end."""
    interruptions = RetryCount()
    async with manual_tls_connection(role, raw_peers, tls, limit=limit) as (reader, _, peer, manual_tls):
        ciphertext = sealed(manual_tls)
        dripped = asyncio.create_task(drip(peer, ciphertext, size, interruptions))
        try:
            yield reader, interruptions
            assert reader.at_eof()
            assert reader.eof_reason == "clean"
            assert interruptions.count >= len(ciphertext) // size // 8
            await dripped
        finally:
            dripped.cancel()


@every_wait
@every_side
async def test_lines(role: str, wait: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with dripping(role, raw_peers, tls) as (reader, interruptions):
        for line in LINES:
            assert await WAITS[wait](reader.readline, interruptions) == line
        assert await WAITS[wait](reader.readline, interruptions) == b""


@every_wait
@every_side
async def test_whatever_comes(role: str, wait: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with dripping(role, raw_peers, tls) as (reader, interruptions):
        got = bytearray()
        while part := await WAITS[wait](lambda: reader.read(11), interruptions):
            got += part
        assert bytes(got) == DATA


@every_wait
@every_side
async def test_counted(role: str, wait: str, raw_peers: RawPeers, tls: Certificates) -> None:
    async with dripping(role, raw_peers, tls) as (reader, interruptions):
        at = 0
        for count in (1, 41, 350, 2, len(DATA) - 394):
            read = await WAITS[wait](lambda count=count: reader.readexactly(count), interruptions)  # type: ignore[misc]
            assert read == DATA[at : at + count]
            at += count
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await WAITS[wait](lambda: reader.readexactly(1), interruptions)
        assert caught.value.partial == b""


@every_wait
@every_side
async def test_separated(role: str, wait: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """A separator of more than one byte, of which a part may be in one record and the rest in another."""
    separator = b"xx\n"
    expected = [part + separator for part in DATA.split(separator)]
    async with dripping(role, raw_peers, tls) as (reader, interruptions):
        for part in expected[:-1]:
            assert await WAITS[wait](lambda: reader.readuntil(separator), interruptions) == part
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await WAITS[wait](lambda: reader.readuntil(separator), interruptions)
        assert caught.value.partial + separator == expected[-1]


@every_wait
@every_side
async def test_to_the_end(role: str, wait: str, raw_peers: RawPeers, tls: Certificates) -> None:
    """More than the bound of what is held unread, which a read to the end that is given up must not lose either."""
    async with dripping(role, raw_peers, tls, size=5, limit=100) as (reader, interruptions):
        assert await WAITS[wait](reader.read, interruptions) == DATA
