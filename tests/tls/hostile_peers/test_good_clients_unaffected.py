"""Bad clients and good ones of one server at the same time: the good ones get every byte, and nobody else's.

test_malformed_input.py and handshake/test_handshake_errors.py have one bad client at a time; here some go wrong in the
middle of what they say, beside others that are being served.
"""

import asyncio
import contextlib
import random
import re
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from tls.hostile_peers.malformed_input import MALFORMED_INPUTS

GOOD = 5
ROUNDS = 40

Misdeed = Callable[[RawPeer, ManualTLS], None]


def garbage(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.send(b"no record of TLS, and more than a header")


def changed_record(peer: RawPeer, manual_tls: ManualTLS) -> None:
    record = bytearray(manual_tls.encrypt(b"forged\n"))
    record[-1] ^= 1
    peer.send(bytes(record))


def replayed_record(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.send(manual_tls.encrypt(b"once\n") * 2)


def half_a_record(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.send(manual_tls.encrypt(b"cut\n")[:-3])
    peer.half_close()


def reset(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.reset()


def plain_end(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.half_close()


def floods_and_never_reads(peer: RawPeer, manual_tls: ManualTLS) -> None:
    """Its echo has nowhere to go, until it goes."""
    peer.sock.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        while True:
            peer.send(manual_tls.encrypt(b"x" * 60_000 + b"\n"))
    peer.reset()


MISDEEDS: list[Misdeed] = [
    garbage, changed_record, replayed_record, half_a_record, reset, plain_end, floods_and_never_reads,
]  # fmt: skip


def misbehaves(misdeed: Misdeed, tls: Certificates) -> Callable[[RawPeer], None]:
    """A client that is served first, and then does that."""

    def visit(peer: RawPeer) -> None:
        manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")
        manual_tls.do_handshake()
        manual_tls.send(b"hello\n")
        assert manual_tls.receive(6) == b"hello\n"
        misdeed(peer, manual_tls)
        if peer.sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                peer.receive_rest()

    return visit


def attacks(attack: Any, tls: Certificates) -> Callable[[RawPeer], None]:
    def visit(peer: RawPeer) -> None:
        with contextlib.suppress(ConnectionError):
            attack(peer, tls)
            peer.half_close()
            peer.receive_rest()

    return visit


async def behaves(number: int, address: tuple[str, int], tls: Certificates, over: asyncio.Event) -> int:
    """Say lines of one's own and hear them, at least ROUNDS and as long as bad ones are about; return how many."""
    choose = random.Random(number)
    reader, writer = await sluiceway.open_connection(*address, ssl=tls.client_context, server_hostname="localhost")
    said = 0
    while said < ROUNDS or not over.is_set():
        line = b"%d of %d " % (said, number) + b"." * choose.choice([1, 1000, 30_000]) + b"\n"
        writer.write(line)
        assert await reader.readline() == line
        said += 1
    writer.close()
    await writer.wait_closed()
    return said


async def test_the_good_ones_get_every_byte(
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = 0
    errors: list[BaseException] = []

    async def echo(reader: Any, writer: Any) -> None:
        nonlocal served
        served += 1
        try:
            async for line in reader:
                writer.write(line)
                await writer.drain()
        except OSError as error:
            errors.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    over = asyncio.Event()
    async with await sluiceway.start_server(echo, "127.0.0.1", 0, ssl=tls.server_context) as server:
        address = server_address(server)
        good = [asyncio.create_task(behaves(number, address, tls, over)) for number in range(GOOD)]
        bad = [raw_peers.run_client(address, misbehaves(misdeed, tls)) for misdeed in MISDEEDS]
        bad += [raw_peers.run_client(address, attacks(attack, tls)) for attack in MALFORMED_INPUTS]
        for script in bad:
            await script.finished()
        over.set()
        assert min(await asyncio.gather(*good)) >= ROUNDS
        assert server.is_serving()
    assert served == GOOD + len(MISDEEDS)
    # Each failure is its own handler's, and once. The replayed one's may be that of its drain.
    assert sum(isinstance(error, ssl.SSLError) for error in errors) in (2, 3)
    assert len(errors) <= len(MISDEEDS)
    if loop_kind == "debug":
        # There those who debug are told of the handshakes, with the peer's name.
        assert all(re.search(r"127\.0\.0\.1:\d+", str(told["exception"])) for told in loop_errors)
        loop_errors.clear()
    else:
        told = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
        reasons = [message.partition(" failed: ")[2] for message in told if message.startswith("TLS handshake with")]
        assert len(set(reasons)) == len(reasons) > 0
        # What a handler writes to one of them that is gone is dropped, with a record (W5).
        known = ("written after it was lost", "TLS handshake with")
        assert [message for message in told if not any(part in message for part in known)] == []
