"""The load generator with TLS: what it agrees on with a server, and what it reports as wrong."""

import contextlib
import dataclasses
import itertools
import pathlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest
import trustme

from benchmarks import certificates, measure
from benchmarks.certificates import Identity
from benchmarks.measure import FailedError, Sample
from benchmarks.scenarios import Scenario
from support.external_programs import require_headers, require_program

LINES = Scenario("test", "lines", "lines", 256, 1, tls="full")
VISITS = Scenario("test", "connect", "connect", 256, 1, tls="full")
RESUMED = dataclasses.replace(VISITS, tls="resumed")

Serve = Callable[[ssl.SSLSocket], None]


@pytest.fixture(autouse=True)
def identity(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Identity:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")
    measure.compiling.load_generator()
    monkeypatch.setattr(certificates, "BUILD", tmp_path_factory.mktemp("build"))
    return certificates.identity()


def presenting(identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


@contextlib.contextmanager
def secured(contexts: Iterable[ssl.SSLContext], serve: Serve) -> Iterator[int]:
    """Serve connections in a thread, one after the other and each with the next context; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for context in contexts:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            with connection, contextlib.suppress(ssl.SSLError, ConnectionError):
                with context.wrap_socket(connection, server_side=True) as wire:
                    serve(wire)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)
        listener.close()


def driven(scenario: Scenario, contexts: Iterable[ssl.SSLContext], serve: Serve) -> Sample:
    with secured(contexts, serve) as port:
        return measure.drive(measure.load_command(scenario, None, 0, 0.5), port, 0, 20)


def received(wire: ssl.SSLSocket, size: int = 256) -> bytes:
    """A record of this size, or what came of it before the end."""
    record = b""
    while len(record) < size and (data := wire.recv(size - len(record))):
        record += data
    return record


def echo(wire: ssl.SSLSocket) -> None:
    while line := received(wire):
        wire.sendall(line)


def visit(wire: ssl.SSLSocket) -> None:
    """Answer one line, and part as TLS has it: each side says that it has ended."""
    wire.sendall(received(wire))
    wire.unwrap().close()


def test_every_server_does_the_same_work(identity: Identity) -> None:
    agreed = []

    def note(wire: ssl.SSLSocket) -> None:
        agreed.append((wire.version(), wire.cipher()))
        echo(wire)

    found = driven(LINES, [presenting(identity)], note)
    assert found.messages > 10
    assert found.bytes == found.messages * 256
    assert agreed == [("TLSv1.3", ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128))]


def test_each_visit_has_a_handshake_of_its_own(identity: Identity) -> None:
    context = presenting(identity)
    found = driven(VISITS, itertools.repeat(context), visit)
    counted = context.session_stats()
    assert found.messages > 1
    assert counted["accept_good"] - found.messages in (0, 1, 2)
    assert counted["hits"] == 0


def test_each_visit_resumes_the_session_of_the_first_connection(identity: Identity) -> None:
    context = presenting(identity)
    found = driven(RESUMED, itertools.repeat(context), visit)
    counted = context.session_stats()
    assert found.messages > 1
    assert counted["hits"] - found.messages in (0, 1)
    assert counted["accept_good"] - counted["hits"] == 1


def test_a_server_that_does_not_resume_is_seen(identity: Identity) -> None:
    contexts = itertools.chain([presenting(identity)], itertools.repeat(presenting(identity)))
    with pytest.raises(FailedError, match="TLS: the server did not resume a session"):
        driven(RESUMED, contexts, visit)


def test_a_server_that_gives_no_ticket_is_seen(identity: Identity) -> None:
    context = presenting(identity)
    context.num_tickets = 0

    def leave(wire: ssl.SSLSocket) -> None:
        wire.unwrap().close()

    with pytest.raises(FailedError, match="TLS: the server gave no ticket"):
        driven(RESUMED, [context], leave)


def test_another_certificate_is_refused(identity: Identity, tmp_path: pathlib.Path) -> None:
    stranger = trustme.CA().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.configure_cert(context)
    with pytest.raises(FailedError, match=r"TLS: handshake: .*certificate verify failed"):
        driven(LINES, [context], echo)


def test_a_byte_that_is_flipped_is_named(identity: Identity) -> None:
    def flip(wire: ssl.SSLSocket) -> None:
        wire.sendall(received(wire))
        line = received(wire)
        wire.sendall(line[:100] + bytes([line[100] ^ 1]) + line[101:])

    with pytest.raises(FailedError, match="connection 0, message 1: byte 100 is 0x"):
        driven(LINES, [presenting(identity)], flip)


def test_an_end_that_tls_has_not_signed_is_seen(identity: Identity) -> None:
    def cut(wire: ssl.SSLSocket) -> None:
        wire.sendall(received(wire))

    with pytest.raises(FailedError, match=r"TLS: recv: .*unexpected eof"):
        driven(VISITS, [presenting(identity)], cut)


def test_an_answer_cut_short_by_the_close_is_seen(identity: Identity) -> None:
    def shorten(wire: ssl.SSLSocket) -> None:
        wire.sendall(received(wire)[:200])
        wire.unwrap().close()

    with pytest.raises(FailedError, match="the server closed after 200 of 256 bytes"):
        driven(VISITS, [presenting(identity)], shorten)


def test_a_sink_is_refused(identity: Identity) -> None:
    with pytest.raises(FailedError, match="a sink says its count after the end of input"):
        driven(dataclasses.replace(LINES, mode="sink"), [presenting(identity)], echo)


def test_the_certificate_is_made_once_and_trusted_by_its_authority(identity: Identity) -> None:
    assert certificates.identity() == identity
    trusting = ssl.create_default_context(cafile=str(identity.authority))
    shown = []

    def look(wire: ssl.SSLSocket) -> None:
        wire.recv(1)

    with secured([presenting(identity)], look) as port, socket.create_connection(("127.0.0.1", port), 10) as plain:
        with trusting.wrap_socket(plain, server_hostname="localhost") as wire:
            shown.append(wire.getpeercert(binary_form=True))
            wire.sendall(b"!")
    assert shown == [ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())]
