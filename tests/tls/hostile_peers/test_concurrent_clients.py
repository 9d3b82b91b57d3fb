"""Valid clients of a server receive every byte of their own while other clients misbehave.

test_malformed_input.py and handshake/test_handshake_errors.py test one misbehaving client at a time.
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

VALID_CLIENTS = 5
ROUNDS = 40

Misbehave = Callable[[RawPeer, ManualTLS], None]


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


def send_fin(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.half_close()


def flood_without_reading(peer: RawPeer, manual_tls: ManualTLS) -> None:
    """Its echo cannot be sent until it resets."""
    peer.sock.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        while True:
            peer.send(manual_tls.encrypt(b"x" * 60_000 + b"\n"))
    peer.reset()


MISBEHAVIOURS: list[Misbehave] = [
    garbage, changed_record, replayed_record, half_a_record, reset, send_fin, flood_without_reading,
]  # fmt: skip


def misbehaving_client(misbehave: Misbehave, tls: Certificates) -> Callable[[RawPeer], None]:
    """Return a client that is served first, and then calls ``misbehave``."""

    def run(peer: RawPeer) -> None:
        manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")
        manual_tls.do_handshake()
        manual_tls.send(b"hello\n")
        assert manual_tls.receive(6) == b"hello\n"
        misbehave(peer, manual_tls)
        if peer.sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                peer.receive_rest()

    return run


def malformed_client(send_malformed: Any, tls: Certificates) -> Callable[[RawPeer], None]:
    def run(peer: RawPeer) -> None:
        with contextlib.suppress(ConnectionError):
            send_malformed(peer, tls)
            peer.half_close()
            peer.receive_rest()

    return run


async def valid_client(number: int, address: tuple[str, int], tls: Certificates, over: asyncio.Event) -> int:
    """Send lines and check their echoes, at least ROUNDS and until ``over``; return the number of lines."""
    choose = random.Random(number)
    reader, writer = await sluiceway.open_connection(*address, ssl=tls.client_context, server_hostname="localhost")
    sent = 0
    while sent < ROUNDS or not over.is_set():
        line = b"%d of %d " % (sent, number) + b"." * choose.choice([1, 1000, 30_000]) + b"\n"
        writer.write(line)
        assert await reader.readline() == line
        sent += 1
    writer.close()
    await writer.wait_closed()
    return sent


async def test_valid_clients_receive_every_byte_while_others_misbehave(
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
        valid = [asyncio.create_task(valid_client(number, address, tls, over)) for number in range(VALID_CLIENTS)]
        scripts = [raw_peers.run_client(address, misbehaving_client(misbehave, tls)) for misbehave in MISBEHAVIOURS]
        scripts += [
            raw_peers.run_client(address, malformed_client(send_malformed, tls)) for send_malformed in MALFORMED_INPUTS
        ]
        for script in scripts:
            await script.finished()
        over.set()
        assert min(await asyncio.gather(*valid)) >= ROUNDS
        assert server.is_serving()
    assert served == VALID_CLIENTS + len(MISBEHAVIOURS)
    # Each failed connection raises once, in its handler. For the replayed record that may be drain().
    assert sum(isinstance(error, ssl.SSLError) for error in errors) in (2, 3)
    assert len(errors) <= len(MISBEHAVIOURS)
    if loop_kind == "debug":
        # In debug mode the loop's exception handler is called for each failed handshake.
        assert all(re.search(r"127\.0\.0\.1:\d+", str(context["exception"])) for context in loop_errors)
        loop_errors.clear()
    else:
        messages = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
        reasons = [
            message.partition(" failed: ")[2] for message in messages if message.startswith("TLS handshake with")
        ]
        assert len(set(reasons)) == len(reasons) > 0
        # Writes of a handler to a lost connection are discarded with a record (W5).
        known = ("is lost: discarded ", "TLS handshake with")
        assert [message for message in messages if not any(part in message for part in known)] == []
