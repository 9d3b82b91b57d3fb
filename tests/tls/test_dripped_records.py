"""R1 over TLS: reads that are cancelled or time out while records arrive in tiny pieces, each received by itself.

tests/reading/test_cancelled_reads_on_sockets.py has records that arrive whole.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.insistent import Interruptions, insistent, timing_out
from support.peer import Peers, Wire
from support.tls_by_hand import TLSEnd
from support.tls_sides import SIDES, facing_by_hand
from support.turns import turns, until

LINES = [b"%d %s\n" % (number, b"x" * (number * 37 % 90)) for number in range(15)]
DATA = b"".join(LINES)
# Bytes in each record, in turn: few end where a line ends.
RECORDS = [1, 40, 7, 300, 2, 90]

Wait = Callable[[Any, Interruptions], Awaitable[bytes]]

WAITS: dict[str, Wait] = {
    "cancelled": insistent,
    "wait_for": lambda call, interruptions: timing_out(call, interruptions, "wait_for"),
    "timeout": lambda call, interruptions: timing_out(call, interruptions, "timeout"),
}

every_side = pytest.mark.parametrize("side", SIDES)
every_wait = pytest.mark.parametrize("wait", WAITS)


def sealed(end: TLSEnd) -> bytes:
    records, at, number = [], 0, 0
    while at < len(DATA):
        content = DATA[at : at + RECORDS[number % len(RECORDS)]]
        records.append(end.sealed(content))
        at += len(content)
        number += 1
    return b"".join(records) + end.farewell()


async def drip(wire: Wire, ciphertext: bytes, size: int, interruptions: Interruptions) -> None:
    """Send it in pieces, and wait behind every eighth until a read has been given up for it."""
    for at in range(0, len(ciphertext), size):
        seen = interruptions.count
        wire.send(ciphertext[at : at + size])
        await turns(2)
        if at // size % 8 == 7:
            await until(lambda seen=seen: interruptions.count > seen)  # type: ignore[misc]
    wire.half_close()


@contextlib.asynccontextmanager
async def dripping(
    side: str, peer: Peers, tls: Certificates, *, size: int = 1, limit: int = 1 << 16
) -> AsyncIterator[tuple[Any, Interruptions]]:
    """Yield the reader, and what counts the interruptions; it must have been read to its end."""
    interruptions = Interruptions()
    async with facing_by_hand(side, peer, tls, limit=limit) as (reader, _, wire, end):
        ciphertext = sealed(end)
        dripped = asyncio.create_task(drip(wire, ciphertext, size, interruptions))
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
async def test_lines(side: str, wait: str, peer: Peers, tls: Certificates) -> None:
    async with dripping(side, peer, tls) as (reader, interruptions):
        for line in LINES:
            assert await WAITS[wait](reader.readline, interruptions) == line
        assert await WAITS[wait](reader.readline, interruptions) == b""


@every_wait
@every_side
async def test_whatever_comes(side: str, wait: str, peer: Peers, tls: Certificates) -> None:
    async with dripping(side, peer, tls) as (reader, interruptions):
        got = bytearray()
        while part := await WAITS[wait](lambda: reader.read(11), interruptions):
            got += part
        assert bytes(got) == DATA


@every_wait
@every_side
async def test_counted(side: str, wait: str, peer: Peers, tls: Certificates) -> None:
    async with dripping(side, peer, tls) as (reader, interruptions):
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
async def test_separated(side: str, wait: str, peer: Peers, tls: Certificates) -> None:
    """A separator of more than one byte, of which a part may be in one record and the rest in another."""
    separator = b"xx\n"
    expected = [part + separator for part in DATA.split(separator)]
    async with dripping(side, peer, tls) as (reader, interruptions):
        for part in expected[:-1]:
            assert await WAITS[wait](lambda: reader.readuntil(separator), interruptions) == part
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await WAITS[wait](lambda: reader.readuntil(separator), interruptions)
        assert caught.value.partial + separator == expected[-1]


@every_wait
@every_side
async def test_to_the_end(side: str, wait: str, peer: Peers, tls: Certificates) -> None:
    """More than the bound of what is held unread, which a read to the end that is given up must not lose either."""
    async with dripping(side, peer, tls, size=5, limit=100) as (reader, interruptions):
        assert await WAITS[wait](reader.read, interruptions) == DATA
