"""Hostile input to a TLS server: its connection ends, no handler runs, nothing is printed, all others are served.

test_failures.py has the ordinary misfortunes; here is what somebody sends on purpose.
"""

import asyncio
import random
import re
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import penstock
from support.certificates import Certificates
from support.connections import address_of
from support.peer import Peers, Wire
from support.tls_by_hand import TLSEnd

RANDOM = random.Random(4).randbytes(1 << 16)


def first_flight(wire: Wire, tls: Certificates) -> bytes:
    return TLSEnd(wire, tls.client_context, server_hostname="localhost").first_flight()


def http(wire: Wire, tls: Certificates) -> None:
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def garbage(wire: Wire, tls: Certificates) -> None:
    wire.send(RANDOM)


def garbage_that_looks_like_a_record(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x16\x03\x01\x40\x00" + RANDOM[:0x4000])


def record_too_long(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x16\x03\x01\xff\xff" + RANDOM)


def zeros(wire: Wire, tls: Certificates) -> None:
    wire.send(bytes(1 << 16))


def hello_twice(wire: Wire, tls: Certificates) -> None:
    wire.send(first_flight(wire, tls) * 2)


def hello_and_garbage(wire: Wire, tls: Certificates) -> None:
    wire.send(first_flight(wire, tls) + RANDOM)


def changed_hello(wire: Wire, tls: Certificates) -> None:
    hello = bytearray(first_flight(wire, tls))
    hello[6:9] = b"\xff\xff\xff"  # the length of the message: 16 MiB are to come
    wire.send(bytes(hello))
    wire.send(b"".join(b"\x16\x03\x01\x40\x00" + RANDOM[:0x4000] for _ in range(8)))


def alert_first(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x15\x03\x01\x00\x02\x02\x28")


def data_first(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x17\x03\x03\x00\x10" + RANDOM[:16])


def empty_records(wire: Wire, tls: Certificates) -> None:
    wire.send(b"\x16\x03\x01\x00\x00" * 1000)


HOSTILE: list[Callable[[Wire, Certificates], None]] = [
    http, garbage, garbage_that_looks_like_a_record, record_too_long, zeros, hello_twice, hello_and_garbage,
    changed_hello, alert_first, data_first, empty_records,
]  # fmt: skip


def drained(wire: Wire) -> None:
    """Wait for the end of the connection, whatever is said before."""
    try:
        wire.receive_rest()
    except ConnectionError:
        pass


@pytest.mark.parametrize("attack", HOSTILE, ids=lambda attack: attack.__name__)
async def test_nobody_else_notices(
    attack: Callable[[Wire, Certificates], None],
    peer: Peers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    served = 0

    async def echo(reader: Any, writer: Any) -> None:
        nonlocal served
        served += 1
        async for line in reader:
            writer.write(line)
        writer.close()
        await writer.wait_closed()

    def visit(wire: Wire) -> None:
        try:
            attack(wire, tls)
        except ConnectionError:
            return
        drained(wire)

    async with await penstock.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        good = await penstock.open_connection(*address_of(server), ssl=tls.client_context, server_hostname="localhost")
        for _ in range(3):
            await peer.visit(address_of(server), visit).finished()
            good[1].write(b"still here\n")
            assert await good[0].readline() == b"still here\n"
        good[1].close()
        await good[1].wait_closed()
        assert server.is_serving()
    assert served == 1
    if loop_kind == "debug":
        # There those who debug are told, with the peer's name.
        assert all(re.search(r"127\.0\.0\.1:\d+", str(told["exception"])) for told in loop_errors)
        loop_errors.clear()
    else:
        assert [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"] == []
        assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("attack", HOSTILE, ids=lambda attack: attack.__name__)
async def test_a_server_that_does_so_is_named(
    attack: Callable[[Wire, Certificates], None], peer: Peers, tls: Certificates
) -> None:
    """The same bytes from a server: connecting fails with an error that says whom."""

    def serve(wire: Wire) -> None:
        wire.receive(1)
        try:
            attack(wire, tls)
            wire.half_close()
        except OSError:  # refused before all was sent
            return
        drained(wire)

    script = peer.serve(serve)
    with pytest.raises((ssl.SSLError, ConnectionError), match=rf"\b{script.address[1]}\b"):
        await penstock.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    await script.finished()


async def test_garbage_after_the_handshake(peer: Peers, tls: Certificates) -> None:
    """The handler's read fails with TLS's error, once; what came before it was delivered."""
    outcome: asyncio.Future[tuple[bytes, BaseException]] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        first = await reader.readexactly(5)
        try:
            await reader.read()
        except OSError as error:
            outcome.set_result((first, error))
        else:
            outcome.set_result((first, LookupError("no error")))
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass

    def visit(wire: Wire) -> None:
        end = TLSEnd(wire, tls.client_context, server_hostname="localhost")
        end.shake_hands()
        wire.send(end.sealed(b"hello") + RANDOM)
        drained(wire)

    async with await penstock.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        await peer.visit(address_of(server), visit).finished()
        first, error = await outcome
    assert first == b"hello"
    assert isinstance(error, ssl.SSLError)
    assert not isinstance(error, ssl.SSLEOFError)


@pytest.mark.parametrize("size", [1, 7])
async def test_a_hello_that_drips_is_a_hello(size: int, peer: Peers, tls: Certificates) -> None:
    """A slow client is no attacker: each byte by itself, as is the rest."""

    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    def visit(wire: Wire) -> bytes:
        end = TLSEnd(wire, tls.client_context, server_hostname="localhost")
        hello = end.first_flight()
        wire.send(*(hello[at : at + size] for at in range(0, len(hello), size)))
        end.shake_hands()
        said = end.sealed(b"hello\n")
        wire.send(*(said[at : at + size] for at in range(0, len(said), size)))
        return end.receive_rest()

    async with await penstock.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        assert await peer.visit(address_of(server), visit).finished() == b"hello\n"
