"""T1: peers that break off the handshake, on either side. test_documented_errors.py tests certificates and versions."""

import pathlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._errors import copy_error, own_close_error
from sluiceway._net.addresses import name_handshake
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import wait_until


def send_plaintext(peer: Any) -> None:
    peer.receive(1)
    peer.send(b"220 mail.example ready\r\n")
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


def close_after_hello(peer: Any) -> None:
    peer.receive(1)
    peer.half_close()
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


def close_at_once(peer: Any) -> None:
    peer.half_close()
    try:
        peer.receive_rest()
    except ConnectionError:
        pass


def reset_after_hello(peer: Any) -> None:
    peer.receive(1)
    peer.reset()


def connected_socket(address: Any) -> socket.socket:
    return socket.create_connection(address)


@pytest.mark.parametrize(("body", "kind"), [
    (send_plaintext, ssl.SSLError),
    (close_after_hello, ConnectionError),
    (close_at_once, ConnectionError),
    (reset_after_hello, ConnectionError),
])  # fmt: skip
async def test_connect_to_a_peer_that_breaks_off_the_handshake_names_the_peer(
    body: Callable[[Any], None], kind: type[Exception], raw_peers: RawPeers, tls: Certificates
) -> None:
    script = raw_peers.serve(body)
    with pytest.raises(kind, match=str(script.address[1])):
        await sluiceway.open_connection(*script.address, ssl=tls.client_context)
    await script.finished()


@pytest.mark.parametrize(("body", "hint"), [
    (send_plaintext, "; the peer may not speak TLS"),
    (close_after_hello, "; the peer may not speak TLS"),
    (reset_after_hello, "; the peer may not speak TLS"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("way", ["host", "sock", "start_tls"])
async def test_failed_handshake_names_address_and_other_name_in_one_form(
    body: Callable[[Any], None], hint: str, name: str, way: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    script = raw_peers.serve(body)
    host, port = script.address
    peer = f"{name} at {host}:{port}" if name != host else f"{host}:{port}"
    with pytest.raises(OSError) as raised:
        if way == "start_tls":
            _, writer = await sluiceway.open_connection(host, port)
            try:
                await writer.start_tls(tls.client_context, server_hostname=name)
            finally:
                writer.close()
        else:
            address = {"host": host, "port": port} if way == "host" else {"sock": connected_socket(script.address)}
            await sluiceway.open_connection(**address, ssl=tls.client_context, server_hostname=name)
    assert str(raised.value).endswith(f" (TLS handshake with {peer}{hint})")
    await script.finished()


@pytest.mark.parametrize("own", [False, True])
def test_error_of_an_own_close_gets_no_hint_about_the_peer(own: bool) -> None:
    """The mark decides, and not the text, which a transport of a program can use for a reset by the peer."""
    error = own_close_error() if own else ConnectionResetError(*own_close_error().args)
    error = copy_error(error)  # type: ignore[assignment]
    name_handshake(error, None, "127.0.0.1:443", hint_at_reset=True)
    assert str(error).endswith("(TLS handshake with 127.0.0.1:443" + (")" if own else "; the peer may not speak TLS)"))


# uvloop's own transport does not close the socket object.
@pytest.mark.loops("asyncio", "debug", "eager")
async def test_socket_that_is_not_connected_gets_no_hint_about_the_peer(tls: Certificates) -> None:
    with socket.socket() as sock:
        with pytest.raises(OSError, match=r"at a socket that is not connected") as raised:
            await sluiceway.open_connection(sock=sock, ssl=tls.client_context, server_hostname="localhost")
    assert "may not speak TLS" not in str(raised.value)


async def test_path_that_reads_like_no_connection_gets_the_hint_about_the_peer(
    raw_peers: RawPeers, tls: Certificates, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of the socket decides, and not the text that stands for its address."""

    def reset(peer: Any) -> None:
        peer.receive(1)
        peer.reset()

    monkeypatch.chdir(tmp_path)
    path = "a socket that is not connected"
    script = raw_peers.serve(reset, unix=path)
    with pytest.raises(OSError, match=r"peer may not speak TLS"):
        await sluiceway.open_unix_connection(path, ssl=tls.client_context, server_hostname="localhost")
    await script.finished()


async def test_refused_certificate_gets_no_hint_about_the_port(raw_peers: RawPeers, tls: Certificates) -> None:
    def serve(peer: Any) -> None:
        with pytest.raises(ssl.SSLError):
            peer.start_tls(tls.server_context, server_side=True)

    script = raw_peers.serve(serve)
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="other.example")
    port = script.address[1]
    assert str(raised.value).endswith(f" (TLS handshake with other.example at 127.0.0.1:{port})")
    await script.finished()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_connect_to_a_silent_peer_raises_after_ssl_handshake_timeout(
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


# -- clients of a server ---------------------------------------------------------------------------------------------


def plaintext_client(peer: Any, tls: Certificates) -> None:
    peer.send(b"GET / HTTP/1.0\r\n\r\n")
    peer.receive_rest()


def closing_client(peer: Any, tls: Certificates) -> None:
    peer.half_close()
    peer.receive_rest()


def resetting_client(peer: Any, tls: Certificates) -> None:
    peer.reset()


def client_with_partial_hello(peer: Any, tls: Certificates) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = tls.client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    peer.send(outgoing.read()[:50])
    peer.half_close()
    peer.receive_rest()


def silent_client(peer: Any, tls: Certificates) -> None:
    peer.wait_for("close")


def client_that_trusts_no_authority(peer: Any, tls: Certificates) -> None:
    peer.start_tls(ssl.create_default_context(), server_hostname="localhost")


def client_without_common_version(peer: Any, tls: Certificates) -> None:
    context = tls.new_client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    peer.start_tls(context, server_hostname="localhost")


@pytest.mark.parametrize("body", [
    plaintext_client, closing_client, resetting_client, client_with_partial_hello, silent_client,
    client_that_trusts_no_authority, client_without_common_version,
])  # fmt: skip
async def test_failed_handshake_of_a_client_does_not_affect_others(
    body: Callable[..., None],
    raw_peers: RawPeers,
    tls: Certificates,
    loop_kind: str,
    loop_errors: list[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    context = tls.new_server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    greeted = 0

    async def greet(reader: Any, writer: Any) -> None:
        nonlocal greeted
        greeted += 1
        writer.write(b"hello")
        writer.close()

    server = await sluiceway.start_server(greet, "127.0.0.1", 0, ssl=context)
    bad = raw_peers.run_client(server_address(server), lambda peer: body(peer, tls))
    reader, writer = await sluiceway.open_connection(*server_address(server), ssl=tls.client_context)
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    bad.signal("close")
    try:
        await bad.finished()
    except OSError:
        pass
    assert server.is_serving()
    # The server may accept the connection of the bad client last.
    await wait_until(lambda: greeted + server.failed_handshakes == 2)
    server.close()
    await server.wait_closed()
    # In TLS 1.3 the handshake may complete on the server before the client has rejected the certificate.
    assert greeted in ((1, 2) if body is client_that_trusts_no_authority else (1,))
    warned = [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    assert len(warned) == server.failed_handshakes == 2 - greeted
    assert all(line.startswith("TLS handshake with ") for line in warned)
    if loop_kind == "debug":
        # The exception handler is called for each, as on asyncio.
        assert len(loop_errors) == server.failed_handshakes
        loop_errors.clear()


async def test_context_that_raises_closes_the_connected_socket(raw_peers: RawPeers) -> None:
    class Refusing(ssl.SSLContext):
        def wrap_bio(self, *_: Any, **__: Any) -> Any:
            raise MemoryError

    listener = raw_peers.listen()
    with pytest.raises(MemoryError) as caught:
        await sluiceway.open_connection(
            *listener.address, ssl=Refusing(ssl.PROTOCOL_TLS_CLIENT), server_hostname="localhost"
        )
    # The traceback still refers to the frame that had the socket.
    assert caught.value.__traceback__ is not None
    assert listener.accept().receive_rest() == b""


@pytest.mark.parametrize("failure", ["refused certificate", "timeout", "timeout of connect"])
async def test_failed_handshake_closes_the_passed_socket_before_the_call_raises(
    failure: str, loop_kind: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    if loop_kind == "uvloop" and sluiceway.ENGINE != "epoll":
        pytest.skip("uvloop's own transports close the socket one iteration later, as without sluiceway")

    def serve(peer: Any) -> None:
        if failure == "refused certificate":
            with pytest.raises(ssl.SSLError):
                peer.start_tls(tls.server_context, server_side=True)
        else:
            peer.receive_rest()

    script = raw_peers.serve(serve)
    sock = connected_socket(script.address)
    with pytest.raises(OSError):
        if failure == "timeout of connect":
            await sluiceway.connect(sock, tls=tls.client_context, server_hostname="localhost", timeout=0.05)
        else:
            name = "other.example" if failure == "refused certificate" else "localhost"
            await sluiceway.open_connection(
                sock=sock, ssl=tls.client_context, server_hostname=name, ssl_handshake_timeout=0.05
            )
    assert sock.fileno() < 0
    await script.finished()
