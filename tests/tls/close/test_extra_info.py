"""T5: get_extra_info() returns addresses, certificate and cipher after the peer has ended the connection.

tests/closing/test_extra_info_after_close.py has connections that this side ends.
"""

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, wait_until
from support.tls_connections import TLS_ROLES, manual_tls_connection

NAMES = ("peername", "sockname", "cipher", "peercert", "ssl_object", "sslcontext", "compression")

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

Ending = Callable[[RawPeer, ManualTLS], None]


def reset(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.reset()


def send_close_notify(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.send(manual_tls.close_notify())


def cut(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.half_close()


def gone(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.close()


ENDINGS: list[tuple[Ending, str | None]] = [
    (reset, "reset"), (send_close_notify, "clean"), (cut, "truncated"), (gone, None),
]  # fmt: skip


def with_certificates(role: str, version: ssl.TLSVersion, tls: Certificates) -> dict[str, ssl.SSLContext]:
    """Contexts for sluiceway's side and the other: the client has a certificate, and the server asks for it."""
    client, server = tls.new_client_context(), tls.new_server_context()
    tls.authority.issue_cert("client.example").configure_cert(client)
    server.verify_mode = ssl.CERT_REQUIRED
    client.minimum_version = client.maximum_version = version
    own, other = (client, server) if role.endswith("client") else (server, client)
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
@pytest.mark.parametrize("role", TLS_ROLES)
async def test_the_peer_has_ended_it(
    role: str, ending: Ending, reason: str | None, version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates
) -> None:
    contexts = with_certificates(role, version, tls)
    async with manual_tls_connection(role, raw_peers, tls, **contexts) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"hello"))
        assert await reader.readexactly(5) == b"hello"  # what 1.3's client has to say is in, its certificate too
        before = known(writer)
        name = "client.example" if role.endswith("server") else "localhost"
        assert ("DNS", name) in writer.get_extra_info("peercert")["subjectAltName"]
        assert writer.get_extra_info("peername") == peer.sock.getsockname()
        assert writer.get_extra_info("sockname") == peer.sock.getpeername()
        ending(peer, manual_tls)
        try:
            assert await reader.read() == b""
        except OSError:
            pass
        assert reader.eof_reason is not None
        assert reason in (None, reader.eof_reason)
        # Turn by turn: the transport below forgets before it tells that the connection is lost.
        for _ in range(5):
            assert known(writer) == before
            await run_iterations(1)
        await wait_until(writer.is_closing)
        assert known(writer) == before
        writer.close()
        assert known(writer) == before
        try:
            await writer.wait_closed()
        except OSError:
            assert reader.eof_reason == "reset"
        assert known(writer) == before
        assert writer.transport.get_extra_info("cipher") == writer.get_extra_info("cipher")


@pytest.mark.parametrize("role", TLS_ROLES)
async def test_close_notify_was_never_answered(role: str, raw_peers: RawPeers, tls: Certificates) -> None:
    contexts = with_certificates(role, ssl.TLSVersion.TLSv1_3, tls)
    async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=0.05, **contexts) as (
        _,
        writer,
        __,
        ___,
    ):
        before = known(writer)
        writer.close()
        assert known(writer) == before
        await writer.wait_closed()
        assert known(writer) == before
