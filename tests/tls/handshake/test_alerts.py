"""T1: a handshake that fails is told to the other side by the alert that is due, and what is heard is raised, with
the peer's name. The handler of a server never runs."""

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


def heard(peer: RawPeer, context: ssl.SSLContext) -> str:
    """Connect as a client, and return the error with which that ends."""
    try:
        peer.start_tls(context, server_hostname="localhost")
        peer.receive_rest()
    except ssl.SSLError as error:
        return str(error).lower().replace("_", " ")
    return "it was accepted"


async def never(*ends: Any) -> None:
    raise AssertionError("a handler without a handshake")


def missing(context: ssl.SSLContext, tls: Certificates) -> None:
    pass


def untrusted(context: ssl.SSLContext, tls: Certificates) -> None:
    trustme.CA().issue_cert("client.example").configure_cert(context)


# The words of the alert, by version, that a client with such a certificate hears.
REFUSED: dict[str, tuple[Callable[[ssl.SSLContext, Certificates], None], dict[str, str]]] = {
    "missing": (missing, {"1.2": "handshake failure", "1.3": "certificate required"}),
    "untrusted": (untrusted, {"1.2": "unknown ca", "1.3": "unknown ca"}),
}


@each_tls_version
@pytest.mark.parametrize("how", REFUSED)
async def test_our_client_is_told_why_it_is_refused(
    how: str, version: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """In 1.3 the handshake is over for the client before the server has looked: the first read tells."""
    configure, alerts = REFUSED[how]
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
@pytest.mark.parametrize("how", REFUSED)
async def test_our_server_says_why_it_refuses(
    how: str, version: str, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """No handler runs, and the client hears the alert, not just an end."""
    configure, alerts = REFUSED[how]
    client_context = tls.new_client_context()
    configure(client_context, tls)

    async with await sluiceway.start_server(
        never, "127.0.0.1", 0, ssl=context_requiring_certificate(tls, version)
    ) as server:
        script = raw_peers.run_client(server_address(server), lambda peer: heard(peer, client_context))
        assert alerts[version] in await script.finished()
    if loop_kind == "debug":
        assert all(re.search(r"127\.0\.0\.1:\d+", str(told["exception"])) for told in loop_errors)
        loop_errors.clear()


@pytest.mark.parametrize("clients", TLS_VERSIONS)
async def test_our_server_tells_a_client_that_knows_no_version_of_its(
    clients: str, raw_peers: RawPeers, tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """The client hears an alert, not just an end."""
    other = next(version for version in TLS_VERSIONS if version != clients)
    client_context, server_context = tls.new_client_context(), tls.new_server_context()
    client_context.minimum_version = client_context.maximum_version = TLS_VERSIONS[clients]
    server_context.minimum_version = server_context.maximum_version = TLS_VERSIONS[other]

    async with await sluiceway.start_server(never, "127.0.0.1", 0, ssl=server_context) as server:
        script = raw_peers.run_client(server_address(server), lambda peer: heard(peer, client_context))
        assert "alert protocol version" in await script.finished()
    if loop_kind == "debug":
        loop_errors.clear()


@pytest.mark.parametrize("fault", ["alert", "raises"])
async def test_a_name_that_is_refused(
    fault: str,
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client hears the alert. What the callback raises is told by the ssl module, as everywhere."""
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    def choose(ssl_object: Any, asked: str | None, context: ssl.SSLContext) -> int:
        if fault == "raises":
            raise LookupError(asked)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = tls.new_server_context()
    context.sni_callback = choose  # type: ignore[assignment]
    async with await sluiceway.start_server(never, "127.0.0.1", 0, ssl=context) as server:
        script = raw_peers.run_client(server_address(server), lambda peer: heard(peer, tls.client_context))
        words = "unrecognized name" if fault == "alert" else "alert handshake failure"
        assert words in await script.finished()
    assert [type(one.exc_value) for one in told] == ([] if fault == "alert" else [LookupError])
    told.clear()
    if loop_kind == "debug":
        loop_errors.clear()


@pytest.mark.parametrize(("trusting", "name", "alert"), [
    (False, "localhost", "alert unknown ca"),
    (True, "other.example", "alert bad certificate"),
])  # fmt: skip
@pytest.mark.parametrize("upgraded", [False, True], ids=["connect", "start_tls"])
async def test_our_client_says_why_it_refuses(
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
