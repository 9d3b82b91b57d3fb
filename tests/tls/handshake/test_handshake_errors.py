"""T1: what open_connection says when a handshake fails: which peer, and why."""

import asyncio
import datetime
import re
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeers


async def ignore(reader: Any, writer: Any) -> None:
    writer.close()


async def refused(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, loop_kind: str, loop_errors: Any, **options: Any
) -> BaseException:
    """Return what connecting raises, after checking that it names the peer; the server stays as it is."""
    async with await sluiceway.start_server(ignore, "127.0.0.1", 0, ssl=server_context) as server:
        host, port = server_address(server)
        with pytest.raises((OSError, ValueError)) as caught:
            await sluiceway.open_connection(host, port, ssl=client_context, **options)
        assert server.is_serving()
    assert str(port) in str(caught.value)
    if loop_kind == "debug":
        loop_errors.clear()
    return caught.value


async def test_untrusted(tls: Certificates, loop_kind: str, loop_errors: Any) -> None:
    error = await refused(tls.server_context, ssl.create_default_context(), loop_kind, loop_errors)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert re.search("self.signed certificate in certificate chain|unable to get local issuer", str(error))
    assert error.verify_code in (19, 20)


async def test_wrong_host(tls: Certificates, loop_kind: str, loop_errors: Any) -> None:
    error = await refused(
        tls.server_context, tls.client_context, loop_kind, loop_errors, server_hostname="other.example"
    )
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "Hostname mismatch" in str(error)
    assert "other.example" in str(error)


async def test_expired(tls: Certificates, loop_kind: str, loop_errors: Any) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    tls.authority.issue_cert("127.0.0.1", not_after=yesterday).configure_cert(context)
    error = await refused(context, tls.client_context, loop_kind, loop_errors)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "certificate has expired" in str(error)


async def alerted(server_context: ssl.SSLContext, client_context: ssl.SSLContext, raw_peers: RawPeers) -> ssl.SSLError:
    """Return what connecting raises to a server that says why it refuses: blocking ones do."""

    def serve(peer: Any) -> None:
        with pytest.raises(ssl.SSLError):
            peer.start_tls(server_context, server_side=True)

    script = raw_peers.serve(serve)
    with pytest.raises(ssl.SSLError, match=str(script.address[1])) as caught:
        await sluiceway.open_connection(*script.address, ssl=client_context)
    await script.finished()
    return caught.value


async def test_no_common_version(tls: Certificates, raw_peers: RawPeers) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    server_context.minimum_version = ssl.TLSVersion.TLSv1_3
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert re.search("(?i)protocol.version", str(await alerted(server_context, client_context, raw_peers)))


async def test_no_common_cipher(tls: Certificates, raw_peers: RawPeers) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    for context, cipher in ((server_context, "ECDHE+AES256"), (client_context, "ECDHE+AES128")):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
    assert re.search("(?i)handshake.failure", str(await alerted(server_context, client_context, raw_peers)))


def no_certificate(tls: Certificates) -> ssl.SSLContext:
    context = tls.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def test_a_clients_certificate_is_missing(tls: Certificates, loop_kind: str, loop_errors: Any) -> None:
    error = await refused(no_certificate(tls), tls.client_context, loop_kind, loop_errors)
    # The server's alert says so; the loops' TLS closed before it had left.
    assert isinstance(error, ssl.SSLError)
    assert re.search("(?i)handshake.failure", str(error))


def talks_plainly(peer: Any) -> None:
    peer.receive(1)
    peer.send(b"220 mail.example ready\r\n")
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


def closes(peer: Any) -> None:
    peer.receive(1)
    peer.half_close()
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


def closes_at_once(peer: Any) -> None:
    peer.half_close()
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


def resets(peer: Any) -> None:
    peer.receive(1)
    peer.reset()


@pytest.mark.parametrize(("body", "kind"), [
    (talks_plainly, ssl.SSLError),
    (closes, ConnectionError),
    (closes_at_once, ConnectionError),
    (resets, ConnectionError),
])  # fmt: skip
async def test_a_peer_that_does_not_shake_hands(
    body: Callable[[Any], None], kind: type[Exception], raw_peers: RawPeers, tls: Certificates
) -> None:
    script = raw_peers.serve(body)
    with pytest.raises(kind, match=str(script.address[1])):
        await sluiceway.open_connection(*script.address, ssl=tls.client_context)
    await script.finished()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_silent_peer_meets_the_handshake_timeout(
    kind: str, raw_peers: RawPeers, tls: Certificates, unix_path: str
) -> None:
    options: dict[str, Any] = {"ssl": tls.client_context, "ssl_handshake_timeout": 0.05}
    if kind == "tcp":
        listener = raw_peers.listen()
        with pytest.raises(ConnectionAbortedError, match=rf"(?s)handshake.*{listener.port}"):
            await sluiceway.open_connection(*listener.address, **options)
    else:
        listener = raw_peers.listen(unix=unix_path)
        with pytest.raises(ConnectionAbortedError, match=rf"(?s)handshake.*{unix_path}"):
            await sluiceway.open_unix_connection(unix_path, server_hostname="localhost", **options)
    peer = listener.accept()
    await peer.in_thread(peer.receive_rest)


async def test_a_peer_that_never_sends_close_notify_meets_the_shutdown_timeout(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    def greet(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"hello")
        peer.wait_for("closed")

    script = raw_peers.serve(greet)
    reader, writer = await sluiceway.open_connection(*script.address, ssl=tls.client_context, ssl_shutdown_timeout=0.05)
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    script.signal("closed")
    await script.finished()


async def test_the_name_of_an_unrelated_authority_is_of_no_use(
    tls: Certificates, loop_kind: str, loop_errors: Any
) -> None:
    context = ssl.create_default_context()
    trustme.CA().configure_trust(context)
    error = await refused(tls.server_context, context, loop_kind, loop_errors)
    assert isinstance(error, ssl.SSLCertVerificationError)


# -- a client's misbehaviour, seen by the server --------------------------------------------------------------------


def bad_plain(peer: Any, tls: Certificates) -> None:
    peer.send(b"GET / HTTP/1.0\r\n\r\n")
    peer.receive_rest()


def bad_close(peer: Any, tls: Certificates) -> None:
    peer.half_close()
    peer.receive_rest()


def bad_reset(peer: Any, tls: Certificates) -> None:
    peer.reset()


def bad_half_hello(peer: Any, tls: Certificates) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    peer.send(outgoing.read()[:50])
    peer.half_close()
    peer.receive_rest()


def bad_silent(peer: Any, tls: Certificates) -> None:
    peer.receive_rest()


def bad_untrusting(peer: Any, tls: Certificates) -> None:
    peer.start_tls(ssl.create_default_context(), server_hostname="localhost")


def bad_old(peer: Any, tls: Certificates) -> None:
    context = tls.new_client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    peer.start_tls(context, server_hostname="localhost")


@pytest.mark.parametrize("body", [
    bad_plain, bad_close, bad_reset, bad_half_hello, bad_silent, bad_untrusting, bad_old,
])  # fmt: skip
async def test_a_bad_client_disturbs_nobody(
    body: Callable[..., None],
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    context = tls.new_server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    served = 0

    async def greet(reader: Any, writer: Any) -> None:
        nonlocal served
        served += 1
        writer.write(b"hello")
        writer.close()

    server = await sluiceway.start_server(greet, "127.0.0.1", 0, ssl=context, ssl_handshake_timeout=0.5)
    bad = raw_peers.run_client(server_address(server), lambda peer: body(peer, tls))
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=tls.client_context)
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    try:
        await bad.finished()
    except OSError:
        pass
    assert server.is_serving()
    server.close()
    await asyncio.wait_for(server.wait_closed(), 10)
    # A client that finds the certificate wrong under TLS 1.3 has finished its part of the handshake for the server.
    assert served in ((1, 2) if body is bad_untrusting else (1,))
    warned = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    assert len(warned) == server.failed_handshakes == 2 - served
    assert all(line.startswith("TLS handshake with ") for line in warned)
    if loop_kind == "debug":
        # The exception handler gets each of them, as on asyncio.
        assert len(loop_errors) == server.failed_handshakes
        loop_errors.clear()
