"""The load generator reports each fault of a server, and counts correct answers."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from benchmarks import measure
from benchmarks.measure import FailedError, Sample
from benchmarks.scenarios import Scenario
from support.benchmark_samples import repeat_until
from support.external_programs import require_headers, require_program
from support.timeouts import PEER_TIMEOUT

LINES = Scenario("test", "lines", "lines", 256, 1)
SINK = Scenario("test", "sink", "sink", 4096, 1)
CONNECT = Scenario("test", "connect", "connect", 256, 1)

Serve = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _require_compiler() -> None:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")


@contextlib.contextmanager
def running_server(serve: Serve) -> Iterator[int]:
    """Serve one connection in a thread, which ends with it; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PEER_TIMEOUT)

        def run() -> None:
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(PEER_TIMEOUT)
                    serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(PEER_TIMEOUT)


def run_load(scenario: Scenario, serve: Serve, seconds: float = 20.0) -> Sample:
    """Run the load generator, which ends at the first fault of the server."""
    with running_server(serve) as port:
        return measure.drive(measure.load_command(scenario, None, 0, seconds), port, 0, seconds + PEER_TIMEOUT)


class Echo:
    """Answers each line with ``change(number, line)``, and counts the lines."""

    def __init__(self, change: Callable[[int, bytes], bytes] = lambda _, line: line) -> None:
        self.change = change
        self.lines = 0

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(self.change(self.lines, line))
                self.lines += 1


def test_answered_lines_are_counted() -> None:
    servers: list[Echo] = []

    def measure_new_server(seconds: float) -> Sample:
        servers.append(Echo())
        return run_load(LINES, servers[-1], seconds)

    result = repeat_until(lambda sample: sample.messages, measure_new_server)
    assert result.messages > 0
    # Without a warm-up every line is counted, except one that was not answered when the window ended.
    assert servers[-1].lines - result.messages in (0, 1)
    assert result.bytes == result.messages * 256
    assert 0 < result.p50_us <= result.p99_us


def test_flipped_byte_is_reported_with_position() -> None:
    def flip(number: int, line: bytes) -> bytes:
        return line[:100] + bytes([line[100] ^ 1]) + line[101:] if number == 7 else line

    with pytest.raises(FailedError, match="connection 0, message 7: byte 100 is 0x"):
        run_load(LINES, Echo(flip))


def test_answer_to_other_request_is_reported() -> None:
    lines: list[bytes] = []

    def repeat_earlier_line(number: int, line: bytes) -> bytes:
        lines.append(line)
        return lines[number - 1] if number == 3 else line

    with pytest.raises(FailedError, match="connection 0, message 3: byte 0 is 0x"):
        run_load(LINES, Echo(repeat_earlier_line))


def test_additional_byte_is_reported() -> None:
    with pytest.raises(FailedError, match="message 2: 1 bytes more than were to come back"):
        run_load(LINES, Echo(lambda number, line: line + b"!" if number == 2 else line))


def test_close_by_server_is_reported() -> None:
    with pytest.raises(FailedError, match="message 0: the server closed"):
        run_load(LINES, lambda connection: connection.recv(256) and None)


def test_wrong_count_of_sink_is_reported() -> None:
    def miscount(connection: socket.socket) -> None:
        count = 0
        while data := connection.recv(65536):
            count += len(data)
        connection.sendall(b"%d\n" % (count - 1))

    with pytest.raises(FailedError, match="bytes were sent and the server counted"):
        run_load(SINK, miscount, 0.1)


def test_close_before_answer_is_reported() -> None:
    def close_without_answer(connection: socket.socket) -> None:
        connection.recv(256)
        connection.sendall(b"")

    with pytest.raises(FailedError, match="the server closed after 0 of 256 bytes"):
        run_load(CONNECT, close_without_answer)


def test_server_that_prints_no_port_is_reported_with_its_output() -> None:
    command = ["sh", "-c", "echo no port; echo broken >&2"]
    with pytest.raises(FailedError, match="printed b'no port\\\\n' instead of its port\nbroken"):
        with measure.running(command, None, {}):
            pass


def test_refused_connection_is_reported() -> None:
    with pytest.raises(FailedError, match="connect: Connection refused"):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # bound but not listening, so that no other process gets the port
            measure.drive(measure.load_command(LINES, None, 0, 0.1), bound.getsockname()[1], 0, PEER_TIMEOUT)
