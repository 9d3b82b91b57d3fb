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
from support.connections import address_of
from support.peer import Peers


async def ignore(reader: Any, writer: Any) -> None:
    writer.close()


async def refused(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext, loop_kind: str, loop_errors: Any, **options: Any
) -> BaseException:
    """Return what connecting raises, after checking that it names the peer; the server stays as it is."""
    async with await sluiceway.start_server(ignore, "127.0.0.1", 0, ssl=server_context) as server:
        host, port = address_of(server)
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


async def alerted(server_context: ssl.SSLContext, client_context: ssl.SSLContext, peer: Peers) -> ssl.SSLError:
    """Return what connecting raises to a server that says why it refuses: blocking ones do."""

    def serve(wire: Any) -> None:
        with pytest.raises(ssl.SSLError):
            wire.start_tls(server_context, server_side=True)

    script = peer.serve(serve)
    with pytest.raises(ssl.SSLError, match=str(script.address[1])) as caught:
        await sluiceway.open_connection(*script.address, ssl=client_context)
    await script.finished()
    return caught.value


async def test_no_common_version(tls: Certificates, peer: Peers) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    server_context.minimum_version = ssl.TLSVersion.TLSv1_3
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert re.search("(?i)protocol.version", str(await alerted(server_context, client_context, peer)))


async def test_no_common_cipher(tls: Certificates, peer: Peers) -> None:
    server_context, client_context = tls.new_server_context(), tls.new_client_context()
    for context, cipher in ((server_context, "ECDHE+AES256"), (client_context, "ECDHE+AES128")):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
    assert re.search("(?i)handshake.failure", str(await alerted(server_context, client_context, peer)))


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


def talks_plainly(wire: Any) -> None:
    wire.receive(1)
    wire.send(b"220 mail.example ready\r\n")
    try:
        wire.receive_rest()
    except ConnectionError:
        pass


def closes(wire: Any) -> None:
    wire.receive(1)
    wire.half_close()
    try:
        wire.receive_rest()
    except ConnectionError:
        pass


def closes_at_once(wire: Any) -> None:
    wire.half_close()
    try:
        wire.receive_rest()
    except ConnectionError:
        pass


def resets(wire: Any) -> None:
    wire.receive(1)
    wire.reset()


@pytest.mark.parametrize(("body", "kind"), [
    (talks_plainly, ssl.SSLError),
    (closes, ConnectionError),
    (closes_at_once, ConnectionError),
    (resets, ConnectionError),
])  # fmt: skip
async def test_a_peer_that_does_not_shake_hands(
    body: Callable[[Any], None], kind: type[Exception], peer: Peers, tls: Certificates
) -> None:
    script = peer.serve(body)
    with pytest.raises(kind, match=str(script.address[1])):
        await sluiceway.open_connection(*script.address, ssl=tls.client_context)
    await script.finished()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_silent_peer_meets_the_handshake_timeout(
    kind: str, peer: Peers, tls: Certificates, unix_path: str
) -> None:
    options: dict[str, Any] = {"ssl": tls.client_context, "ssl_handshake_timeout": 0.05}
    if kind == "tcp":
        listener = peer.listen()
        with pytest.raises(ConnectionAbortedError, match=rf"(?s)handshake.*{listener.port}"):
            await sluiceway.open_connection(*listener.address, **options)
    else:
        listener = peer.listen(unix=unix_path)
        with pytest.raises(ConnectionAbortedError, match=rf"(?s)handshake.*{unix_path}"):
            await sluiceway.open_unix_connection(unix_path, server_hostname="localhost", **options)
    wire = listener.accept()
    await wire.in_thread(wire.receive_rest)


async def test_a_peer_that_never_says_farewell_meets_the_shutdown_timeout(peer: Peers, tls: Certificates) -> None:
    def greet(wire: Any) -> None:
        wire.start_tls(tls.server_context, server_side=True)
        wire.send(b"hello")
        wire.wait("closed")

    script = peer.serve(greet)
    reader, writer = await sluiceway.open_connection(*script.address, ssl=tls.client_context, ssl_shutdown_timeout=0.05)
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    script.go("closed")
    await script.finished()


async def test_the_name_of_an_unrelated_authority_is_of_no_use(
    tls: Certificates, loop_kind: str, loop_errors: Any
) -> None:
    context = ssl.create_default_context()
    trustme.CA().configure_trust(context)
    error = await refused(tls.server_context, context, loop_kind, loop_errors)
    assert isinstance(error, ssl.SSLCertVerificationError)


# -- a client's misbehaviour, seen by the server --------------------------------------------------------------------


def bad_plain(wire: Any, tls: Certificates) -> None:
    wire.send(b"GET / HTTP/1.0\r\n\r\n")
    wire.receive_rest()


def bad_close(wire: Any, tls: Certificates) -> None:
    wire.half_close()
    wire.receive_rest()


def bad_reset(wire: Any, tls: Certificates) -> None:
    wire.reset()


def bad_half_hello(wire: Any, tls: Certificates) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    wire.send(outgoing.read()[:50])
    wire.half_close()
    wire.receive_rest()


def bad_silent(wire: Any, tls: Certificates) -> None:
    wire.receive_rest()


def bad_untrusting(wire: Any, tls: Certificates) -> None:
    wire.start_tls(ssl.create_default_context(), server_hostname="localhost")


def bad_old(wire: Any, tls: Certificates) -> None:
    context = tls.new_client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    wire.start_tls(context, server_hostname="localhost")


@pytest.mark.parametrize("body", [
    bad_plain, bad_close, bad_reset, bad_half_hello, bad_silent, bad_untrusting, bad_old,
])  # fmt: skip
async def test_a_bad_client_disturbs_nobody(
    body: Callable[..., None],
    peer: Peers,
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
    bad = peer.visit(address_of(server), lambda wire: body(wire, tls))
    reader, writer = await sluiceway.open_connection(*address_of(server), ssl=tls.client_context)
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
    if loop_kind == "debug":
        # There those who debug are told, with the peer's name.
        for told in loop_errors:
            named = re.search(r"127\.0\.0\.1:\d+", str(told["exception"]))
            assert named or body is bad_reset, told  # who was gone before it was accepted has no name
        loop_errors.clear()
    else:
        assert [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"] == []
