"""The load generator reports what a server does wrong, and counts what it does right."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from benchmarks import measure
from benchmarks.measure import FailedError, Sample
from benchmarks.scenarios import Scenario
from support.external_programs import require_headers, require_program

LINES = Scenario("test", "lines", "lines", 256, 1)
SINK = Scenario("test", "sink", "sink", 4096, 1)
CONNECT = Scenario("test", "connect", "connect", 256, 1)

Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _compiler() -> None:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")


@contextlib.contextmanager
def served_by(serve: Serve) -> Iterator[int]:
    """Serve one connection in a thread, which ends with it; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def run() -> None:
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(10)
                    serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(20)


def driven(scenario: Scenario, serve: Serve) -> Sample:
    with served_by(serve) as port:
        return measure.drive(measure.load_command(scenario, None, 0, 0.1), port, 0, 20)


class Echo:
    """Answers lines, each first changed by ``change(number, line)``, and counts them."""

    def __init__(self, change: Callable[[int, bytes], bytes] = lambda _, line: line) -> None:
        self.change = change
        self.lines = 0

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(self.change(self.lines, line))
                self.lines += 1


def test_what_was_answered_is_counted() -> None:
    echo = Echo()
    found = driven(LINES, echo)
    assert found.messages > 10
    # Without a warm-up all belongs to the window, but for the line that was under way at its end.
    assert echo.lines - found.messages in (0, 1)
    assert found.bytes == found.messages * 256
    assert 0 < found.p50_us <= found.p99_us


def test_a_byte_that_is_flipped_is_named() -> None:
    def flip(number: int, line: bytes) -> bytes:
        return line[:100] + bytes([line[100] ^ 1]) + line[101:] if number == 7 else line

    with pytest.raises(FailedError, match="connection 0, message 7: byte 100 is 0x"):
        driven(LINES, Echo(flip))


def test_an_answer_to_another_request_is_seen() -> None:
    kept: list[bytes] = []

    def stale(number: int, line: bytes) -> bytes:
        kept.append(line)
        return kept[number - 1] if number == 3 else line

    with pytest.raises(FailedError, match="connection 0, message 3: byte 0 is 0x"):
        driven(LINES, Echo(stale))


def test_a_byte_too_many_is_seen() -> None:
    with pytest.raises(FailedError, match="message 2: 1 bytes more than were to come back"):
        driven(LINES, Echo(lambda number, line: line + b"!" if number == 2 else line))


def test_a_server_that_closes_is_seen() -> None:
    with pytest.raises(FailedError, match="message 0: the server closed"):
        driven(LINES, lambda connection: connection.recv(256) and None)


def test_a_sink_that_miscounts_is_seen() -> None:
    def miscount(connection: socket.socket) -> None:
        count = 0
        while data := connection.recv(65536):
            count += len(data)
        connection.sendall(b"%d\n" % (count - 1))

    with pytest.raises(FailedError, match="bytes were sent and the server counted"):
        driven(SINK, miscount)


def test_an_answer_cut_short_by_the_close_is_seen() -> None:
    def cut(connection: socket.socket) -> None:
        connection.recv(256)
        connection.sendall(b"")

    with pytest.raises(FailedError, match="the server closed after 0 of 256 bytes"):
        driven(CONNECT, cut)


def test_a_server_that_says_no_port_is_reported_with_what_it_said() -> None:
    command = ["sh", "-c", "echo no port; echo broken >&2"]
    with pytest.raises(FailedError, match="said b'no port\\\\n' instead of its port\nbroken"):
        with measure.running(command, None, {}):
            pass


def test_a_server_that_is_gone_is_reported() -> None:
    with pytest.raises(FailedError, match="connect: Connection refused"):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
            measure.drive(measure.load_command(LINES, None, 0, 0.1), taken.getsockname()[1], 0, 20)
