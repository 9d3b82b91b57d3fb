"""T1: a failed handshake sends the matching alert; a received alert is raised with the peer's address.

The handler of a server fail_if_called runs.
"""

import contextlib
import re
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeer, RawPeers
from tls.handshake.tls_versions import TLS_VERSIONS, context_requiring_certificate, each_tls_version


def handshake_error(peer: RawPeer, context: ssl.SSLContext) -> str:
    """Do a client's handshake; return the text of the error that ends it."""
    try:
        peer.start_tls(context, server_hostname="localhost")
        peer.receive_rest()
    except ssl.SSLError as error:
        return str(error).lower().replace("_", " ")
    return "no error"


async def fail_if_called(*ends: Any) -> None:
    raise AssertionError("the handler ran without a handshake")


def no_certificate(context: ssl.SSLContext, tls: Certificates) -> None:
    pass


def untrusted_certificate(context: ssl.SSLContext, tls: Certificates) -> None:
    trustme.CA().issue_cert("client.example").configure_cert(context)


# How the client's context is configured, and the alert that it receives, by version.
REJECTED_CERTIFICATES: dict[str, tuple[Callable[[ssl.SSLContext, Certificates], None], dict[str, str]]] = {
    "missing": (no_certificate, {"1.2": "handshake failure", "1.3": "certificate required"}),
    "untrusted": (untrusted_certificate, {"1.2": "unknown ca", "1.3": "unknown ca"}),
}


@each_tls_version
@pytest.mark.parametrize("how", REJECTED_CERTIFICATES)
async def test_client_raises_the_alert_for_its_rejected_certificate(
    how: str, version: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """T1: in TLS 1.3 the client's handshake completes before the server checks, so the first read raises."""
    configure, alerts = REJECTED_CERTIFICATES[how]
    server_context, client_context = context_requiring_certificate(tls, version), tls.new_client_context()
    configure(client_context, tls)

    def serve(peer: RawPeer) -> None:
        with pytest.raises(ssl.SSLError):
            peer.start_tls(server_context, server_side=True)

    script = raw_peers.serve(serve)
    with pytest.raises(ssl.SSLError) as caught:
        reader, writer = await sluiceway.open_connection(
            *script.address, ssl=client_context, server_hostname="localhost"
        )
        try:
            await reader.read()
        finally:
            assert reader.eof_reason not in (None, "clean", "closed")
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    assert alerts[version] in str(caught.value).lower().replace("_", " ")
    assert str(script.address[1]) in str(caught.value)
    await script.finished()


@each_tls_version
@pytest.mark.parametrize("how", REJECTED_CERTIFICATES)
async def test_server_sends_the_alert_for_a_rejected_certificate(
    how: str, version: str, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """T1: the client receives the alert and not only EOF."""
    configure, alerts = REJECTED_CERTIFICATES[how]
    client_context = tls.new_client_context()
    configure(client_context, tls)

    async with await sluiceway.start_server(
        fail_if_called, "127.0.0.1", 0, ssl=context_requiring_certificate(tls, version)
    ) as server:
        script = raw_peers.run_client(server_address(server), lambda peer: handshake_error(peer, client_context))
        assert alerts[version] in await script.finished()
    if loop_kind == "debug":
        assert all(re.search(r"127\.0\.0\.1:\d+", str(context["exception"])) for context in loop_errors)
        loop_errors.clear()


@pytest.mark.parametrize("client_version", TLS_VERSIONS)
async def test_server_sends_an_alert_to_a_client_without_a_common_version(
    client_version: str, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """T1: the client receives the alert and not only EOF."""
    other = next(version for version in TLS_VERSIONS if version != client_version)
    client_context, server_context = tls.new_client_context(), tls.new_server_context()
    client_context.minimum_version = client_context.maximum_version = TLS_VERSIONS[client_version]
    server_context.minimum_version = server_context.maximum_version = TLS_VERSIONS[other]

    async with await sluiceway.start_server(fail_if_called, "127.0.0.1", 0, ssl=server_context) as server:
        script = raw_peers.run_client(server_address(server), lambda peer: handshake_error(peer, client_context))
        assert "alert protocol version" in await script.finished()
    if loop_kind == "debug":
        loop_errors.clear()


@pytest.mark.parametrize("fault", ["alert", "raises"])
async def test_server_sends_the_alert_of_the_sni_callback(
    fault: str,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T1: an exception of the callback is unraisable, as always in the ssl module."""
    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)

    def choose(ssl_object: Any, asked: str | None, context: ssl.SSLContext) -> int:
        if fault == "raises":
            raise LookupError(asked)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = tls.new_server_context()
    context.sni_callback = choose  # type: ignore[assignment]
    async with await sluiceway.start_server(fail_if_called, "127.0.0.1", 0, ssl=context) as server:
        script = raw_peers.run_client(server_address(server), lambda peer: handshake_error(peer, tls.client_context))
        expected = "unrecognized name" if fault == "alert" else "alert handshake failure"
        assert expected in await script.finished()
    assert [type(one.exc_value) for one in unraisable] == ([] if fault == "alert" else [LookupError])
    unraisable.clear()
    if loop_kind == "debug":
        loop_errors.clear()


@pytest.mark.parametrize(("trusting", "name", "alert"), [
    (False, "localhost", "alert unknown ca"),
    (True, "other.example", "alert bad certificate"),
])  # fmt: skip
@pytest.mark.parametrize("upgraded", [False, True], ids=["connect", "start_tls"])
async def test_client_sends_the_alert_for_a_rejected_server_certificate(
    upgraded: bool, trusting: bool, name: str, alert: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    context = tls.client_context if trusting else ssl.create_default_context()

    def serve(peer: RawPeer) -> str:
        with pytest.raises(ssl.SSLError) as caught:
            peer.start_tls(tls.server_context, server_side=True)
        return str(caught.value).lower().replace("_", " ")

    script = raw_peers.serve(serve)
    if upgraded:
        _, writer = await sluiceway.open_connection(*script.address)
        with pytest.raises(ssl.SSLCertVerificationError, match=str(script.address[1])):
            await writer.start_tls(context, server_hostname=name)
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match=str(script.address[1])):
            await sluiceway.open_connection(*script.address, ssl=context, server_hostname=name)
    assert alert in await script.finished()
