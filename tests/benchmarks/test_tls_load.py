"""The load generator with TLS: the parameters of its connections, and the faults that it reports."""

import contextlib
import dataclasses
import itertools
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
from support.benchmark_samples import repeat_until
from support.external_programs import require_headers, require_program
from support.timeouts import PEER_TIMEOUT

LINES = Scenario("test", "lines", "lines", 256, 1, tls="full")
CONNECTS = Scenario("test", "connect", "connect", 256, 1, tls="full")
RESUMED = dataclasses.replace(CONNECTS, tls="resumed")

Serve = Callable[[ssl.SSLSocket], None]


@pytest.fixture(autouse=True)
def identity(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Identity:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")
    measure.compiling.load_generator()
    monkeypatch.setattr(certificates, "BUILD", tmp_path_factory.mktemp("build"))
    return certificates.identity()


def server_context(identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


@contextlib.contextmanager
def running_tls_server(contexts: Iterable[ssl.SSLContext], serve: Serve) -> Iterator[int]:
    """Serve connections in a thread, one after the other, each with the next context; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for context in contexts:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(PEER_TIMEOUT)
            with connection, contextlib.suppress(ssl.SSLError, ConnectionError):
                with context.wrap_socket(connection, server_side=True) as wire:
                    serve(wire)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PEER_TIMEOUT)
        listener.close()


def run_load(scenario: Scenario, contexts: Iterable[ssl.SSLContext], serve: Serve, seconds: float = 20.0) -> Sample:
    """Run the load generator, which ends at the first fault of the server."""
    with running_tls_server(contexts, serve) as port:
        return measure.drive(measure.load_command(scenario, None, 0, seconds), port, 0, seconds + PEER_TIMEOUT)


def run_loads(scenario: Scenario, identity: Identity, serve: Serve) -> tuple[Sample, ssl.SSLContext]:
    """Return a sample with several messages, and the context of its server; each server has a new one."""
    contexts: list[ssl.SSLContext] = []

    def measure_new_server(seconds: float) -> Sample:
        contexts.append(server_context(identity))
        return run_load(scenario, itertools.repeat(contexts[-1]), serve, seconds)

    return repeat_until(lambda sample: sample.messages > 1, measure_new_server), contexts[-1]


def receive_record(wire: ssl.SSLSocket, size: int = 256) -> bytes:
    """Return a record of this size, or the bytes received before the end."""
    record = b""
    while len(record) < size and (data := wire.recv(size - len(record))):
        record += data
    return record


def echo(wire: ssl.SSLSocket) -> None:
    while line := receive_record(wire):
        wire.sendall(line)


def serve_one_line(wire: ssl.SSLSocket) -> None:
    """Answer one line, and close with close_notify on both sides."""
    wire.sendall(receive_record(wire))
    wire.unwrap().close()


def test_connection_uses_tls_1_3_with_aes_128(identity: Identity) -> None:
    parameters = []

    def record_parameters(wire: ssl.SSLSocket) -> None:
        parameters.append((wire.version(), wire.cipher()))
        echo(wire)

    result, _ = run_loads(LINES, identity, record_parameters)
    assert result.messages > 1
    assert result.bytes == result.messages * 256
    assert set(parameters) == {("TLSv1.3", ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128))}


def test_each_connection_has_full_handshake(identity: Identity) -> None:
    result, context = run_loads(CONNECTS, identity, serve_one_line)
    session_statistics = context.session_stats()
    assert result.messages > 1
    assert session_statistics["accept_good"] - result.messages in (0, 1, 2)
    assert session_statistics["hits"] == 0


def test_each_connection_resumes_session_of_first(identity: Identity) -> None:
    result, context = run_loads(RESUMED, identity, serve_one_line)
    session_statistics = context.session_stats()
    assert result.messages > 1
    assert session_statistics["hits"] - result.messages in (0, 1)
    assert session_statistics["accept_good"] - session_statistics["hits"] == 1


def test_refused_resumption_is_reported(identity: Identity) -> None:
    contexts = itertools.chain([server_context(identity)], itertools.repeat(server_context(identity)))
    with pytest.raises(FailedError, match="TLS: the server did not resume a session"):
        run_load(RESUMED, contexts, serve_one_line)


def test_missing_session_ticket_is_reported(identity: Identity) -> None:
    context = server_context(identity)
    context.num_tickets = 0

    def close_without_ticket(wire: ssl.SSLSocket) -> None:
        wire.unwrap().close()

    with pytest.raises(FailedError, match="TLS: the server gave no ticket"):
        run_load(RESUMED, [context], close_without_ticket)


def test_certificate_of_other_authority_is_reported(identity: Identity) -> None:
    other_certificate = trustme.CA().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other_certificate.configure_cert(context)
    with pytest.raises(FailedError, match=r"TLS: handshake: .*certificate verify failed"):
        run_load(LINES, [context], echo)


def test_flipped_byte_is_reported_with_position(identity: Identity) -> None:
    def flip(wire: ssl.SSLSocket) -> None:
        wire.sendall(receive_record(wire))
        line = receive_record(wire)
        wire.sendall(line[:100] + bytes([line[100] ^ 1]) + line[101:])

    with pytest.raises(FailedError, match="connection 0, message 1: byte 100 is 0x"):
        run_load(LINES, [server_context(identity)], flip)


def test_truncated_tls_stream_is_reported(identity: Identity) -> None:
    def close_without_notify(wire: ssl.SSLSocket) -> None:
        wire.sendall(receive_record(wire))

    with pytest.raises(FailedError, match=r"TLS: recv: .*unexpected eof"):
        run_load(CONNECTS, [server_context(identity)], close_without_notify)


def test_close_within_answer_is_reported(identity: Identity) -> None:
    def send_short_answer(wire: ssl.SSLSocket) -> None:
        wire.sendall(receive_record(wire)[:200])
        wire.unwrap().close()

    with pytest.raises(FailedError, match="the server closed after 200 of 256 bytes"):
        run_load(CONNECTS, [server_context(identity)], send_short_answer)


def test_sink_scenario_with_tls_raises(identity: Identity) -> None:
    with pytest.raises(FailedError, match="a sink says its count after the end of input"):
        run_load(dataclasses.replace(LINES, mode="sink"), [server_context(identity)], echo)


def test_certificate_is_created_once_and_signed_by_its_authority(identity: Identity) -> None:
    assert certificates.identity() == identity
    trusting_context = ssl.create_default_context(cafile=str(identity.authority))
    certificates_received = []

    def receive_byte(wire: ssl.SSLSocket) -> None:
        wire.recv(1)

    with (
        running_tls_server([server_context(identity)], receive_byte) as port,
        socket.create_connection(("127.0.0.1", port), PEER_TIMEOUT) as plain,
    ):
        with trusting_context.wrap_socket(plain, server_hostname="localhost") as wire:
            certificates_received.append(wire.getpeercert(binary_form=True))
            wire.sendall(b"!")
    assert certificates_received == [ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())]
