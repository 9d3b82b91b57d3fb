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
from support.tls_connections import TLS_SIDES, manual_tls_connection

NAMES = ("peername", "sockname", "cipher", "peercert", "ssl_object", "sslcontext", "compression")

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

EndConnection = Callable[[RawPeer, ManualTLS], None]


def reset(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.reset()


def send_close_notify(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.send(manual_tls.close_notify())


def send_fin(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.half_close()


def close(peer: RawPeer, manual_tls: ManualTLS) -> None:
    peer.close()


WAYS_TO_END: list[tuple[EndConnection, str | None]] = [
    (reset, "reset"), (send_close_notify, "clean"), (send_fin, "truncated"), (close, None),
]  # fmt: skip


def contexts_with_client_certificate(
    role: str, version: ssl.TLSVersion, tls: Certificates
) -> dict[str, ssl.SSLContext]:
    """Return the contexts of both sides: the client has a certificate, and the server requires it."""
    client, server = tls.new_client_context(), tls.new_server_context()
    tls.authority.issue_cert("client.example").configure_cert(client)
    server.verify_mode = ssl.CERT_REQUIRED
    client.minimum_version = client.maximum_version = version
    own, other = (client, server) if role.endswith("client") else (server, client)
    return {"context": own, "peer_context": other}


def extra_info(writer: Any) -> list[Any]:
    """Return the values of get_extra_info() and of ssl_object."""
    ssl_object = writer.get_extra_info("ssl_object")
    return [
        *(writer.get_extra_info(name, "missing") for name in NAMES),
        ssl_object.version(),
        ssl_object.cipher(),
        ssl_object.getpeercert(),
        ssl_object.getpeercert(binary_form=True),
        ssl_object.selected_alpn_protocol(),
        ssl_object.server_side,
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("end", "reason"), WAYS_TO_END, ids=[end.__name__ for end, _ in WAYS_TO_END])
@pytest.mark.parametrize("role", TLS_SIDES)
async def test_extra_info_is_unchanged_after_the_peer_ended_the_connection(
    role: str, end: EndConnection, reason: str | None, version: ssl.TLSVersion, raw_peers: RawPeers, tls: Certificates
) -> None:
    contexts = contexts_with_client_certificate(role, version, tls)
    async with manual_tls_connection(role, raw_peers, tls, **contexts) as (reader, writer, peer, manual_tls):
        peer.send(manual_tls.encrypt(b"hello"))
        assert await reader.readexactly(5) == b"hello"  # in TLS 1.3 the client's certificate has arrived then
        before = extra_info(writer)
        name = "client.example" if role.endswith("server") else "localhost"
        assert ("DNS", name) in writer.get_extra_info("peercert")["subjectAltName"]
        assert writer.get_extra_info("peername") == peer.sock.getsockname()
        assert writer.get_extra_info("sockname") == peer.sock.getpeername()
        end(peer, manual_tls)
        try:
            assert await reader.read() == b""
        except OSError:
            pass
        assert reader.eof_reason is not None
        assert reason in (None, reader.eof_reason)
        # In each iteration: the lower transport clears its values before it calls connection_lost().
        for _ in range(5):
            assert extra_info(writer) == before
            await run_iterations(1)
        await wait_until(writer.is_closing)
        assert extra_info(writer) == before
        writer.close()
        assert extra_info(writer) == before
        try:
            await writer.wait_closed()
        except OSError:
            assert reader.eof_reason == "reset"
        assert extra_info(writer) == before
        assert writer.transport.get_extra_info("cipher") == writer.get_extra_info("cipher")


@pytest.mark.parametrize("role", TLS_SIDES)
async def test_extra_info_is_unchanged_after_ssl_shutdown_timeout(
    role: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    contexts = contexts_with_client_certificate(role, ssl.TLSVersion.TLSv1_3, tls)
    async with manual_tls_connection(role, raw_peers, tls, ssl_shutdown_timeout=0.05, **contexts) as (
        _,
        writer,
        __,
        ___,
    ):
        before = extra_info(writer)
        writer.close()
        assert extra_info(writer) == before
        await writer.wait_closed()
        assert extra_info(writer) == before
