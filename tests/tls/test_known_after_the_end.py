"""T5: who the peer was, its certificate and the cipher stay readable, whichever side ended the connection and how.

tests/closing/test_extra_info.py has the ways to end it here; these are the peer's, on every side of a connection in
which both have shown a certificate.
"""

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.peer import Peers, Wire
from support.tls_by_hand import TLSEnd
from support.tls_sides import SIDES, facing_by_hand
from support.turns import turns, until

NAMES = ("peername", "sockname", "cipher", "peercert", "ssl_object", "sslcontext", "compression")

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

Ending = Callable[[Wire, TLSEnd], None]


def reset(wire: Wire, end: TLSEnd) -> None:
    wire.reset()


def farewell(wire: Wire, end: TLSEnd) -> None:
    wire.send(end.farewell())


def cut(wire: Wire, end: TLSEnd) -> None:
    wire.half_close()


def gone(wire: Wire, end: TLSEnd) -> None:
    wire.close()


ENDINGS: list[tuple[Ending, str | None]] = [
    (reset, "reset"), (farewell, "clean"), (cut, "truncated"), (gone, None),
]  # fmt: skip


def with_certificates(side: str, version: ssl.TLSVersion, tls: Certificates) -> dict[str, ssl.SSLContext]:
    """Contexts for sluiceway's side and the other: the client has a certificate, and the server asks for it."""
    client, server = tls.new_client_context(), tls.new_server_context()
    tls.authority.issue_cert("client.example").configure_cert(client)
    server.verify_mode = ssl.CERT_REQUIRED
    client.minimum_version = client.maximum_version = version
    own, other = (client, server) if side.endswith("client") else (server, client)
    return {"context": own, "peer_context": other}


def known(writer: Any) -> list[Any]:
    """What the writer knows, and what its ssl_object answers."""
    ssl_object = writer.get_extra_info("ssl_object")
    return [
        *(writer.get_extra_info(name, "nothing") for name in NAMES),
        ssl_object.version(),
        ssl_object.cipher(),
        ssl_object.getpeercert(),
        ssl_object.getpeercert(binary_form=True),
        ssl_object.selected_alpn_protocol(),
        ssl_object.server_side,
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("ending", "reason"), ENDINGS, ids=[ending.__name__ for ending, _ in ENDINGS])
@pytest.mark.parametrize("side", SIDES)
async def test_the_peer_has_ended_it(
    side: str, ending: Ending, reason: str | None, version: ssl.TLSVersion, peer: Peers, tls: Certificates
) -> None:
    contexts = with_certificates(side, version, tls)
    async with facing_by_hand(side, peer, tls, **contexts) as (reader, writer, wire, end):
        wire.send(end.sealed(b"hello"))
        assert await reader.readexactly(5) == b"hello"  # what 1.3's client has to say is in, its certificate too
        before = known(writer)
        name = "client.example" if side.endswith("server") else "localhost"
        assert ("DNS", name) in writer.get_extra_info("peercert")["subjectAltName"]
        assert writer.get_extra_info("peername") == wire.sock.getsockname()
        assert writer.get_extra_info("sockname") == wire.sock.getpeername()
        ending(wire, end)
        try:
            assert await reader.read() == b""
        except OSError:
            pass
        assert reader.eof_reason is not None
        assert reason in (None, reader.eof_reason)
        # Turn by turn: the transport below forgets before it tells that the connection is lost.
        for _ in range(5):
            assert known(writer) == before
            await turns(1)
        await until(writer.is_closing)
        assert known(writer) == before
        writer.close()
        assert known(writer) == before
        try:
            await writer.wait_closed()
        except OSError:
            assert reader.eof_reason == "reset"
        assert known(writer) == before
        assert writer.transport.get_extra_info("cipher") == writer.get_extra_info("cipher")


@pytest.mark.parametrize("side", SIDES)
async def test_the_farewell_was_never_answered(side: str, peer: Peers, tls: Certificates) -> None:
    contexts = with_certificates(side, ssl.TLSVersion.TLSv1_3, tls)
    async with facing_by_hand(side, peer, tls, ssl_shutdown_timeout=0.05, **contexts) as (_, writer, __, ___):
        before = known(writer)
        writer.close()
        assert known(writer) == before
        await writer.wait_closed()
        assert known(writer) == before
