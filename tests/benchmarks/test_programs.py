"""The real programs do their work on each kind of streams, and their drivers report wrong results."""

import contextlib
import dataclasses
import importlib.util
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

from benchmarks import driving, rounds
from benchmarks.contenders import Contender, contender_named
from benchmarks.measure import FailedError
from benchmarks.programs import HERE, PROGRAM_OF_MODE, Program
from benchmarks.scenarios import Scenario, scenario_named
from support.benchmark_samples import repeat_until, sample_until_active
from support.external_programs import require_headers, require_program, skip_missing
from support.timeouts import PEER_TIMEOUT, PROCESS_TIMEOUT

SCENARIOS = ("redis", "hypercorn", "smtp")


def contender(name: str) -> Contender:
    if name == "sluiceway" and importlib.util.find_spec("sluiceway._transports.epoll.stream_socket") is None:
        skip_missing("the engine is not installed")
    return contender_named(name)


def small_scenario(name: str) -> Scenario:
    """Return the scenario with few connections, if the programs that it needs are installed."""
    for tool in PROGRAM_OF_MODE[name].tools:
        require_program(tool)
    return dataclasses.replace(scenario_named(name), connections=3)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "sluiceway", "sluiceway-pure"])
def test_program_performs_operations_and_cpu_is_measured(name: str, scenario: str) -> None:
    scenario_used, selected = small_scenario(scenario), contender(name)
    result = sample_until_active(
        lambda seconds: driving.program_sample(
            selected.command(scenario_used), selected.variables, scenario_used, 0, seconds
        )
    )
    assert result.messages > 0
    assert result.bytes >= result.messages * scenario_used.size
    assert result.cpu_seconds > 0
    assert result.seconds > 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_profile_has_samples_of_streams_and_program(scenario: str) -> None:
    scenario_used, selected = small_scenario(scenario), contender("asyncio")
    result = repeat_until(
        lambda groups: {"streams", "program"} <= groups.keys(),
        lambda seconds: driving.profiled(
            selected.command(scenario_used), selected.variables, scenario_used, 0, max(seconds, 0.5)
        ),
    )
    assert set(result) <= {"streams", "loop", "program"}
    assert result["streams"] > 0
    assert result["program"] > 0


@pytest.mark.parametrize("program", PROGRAM_OF_MODE.values(), ids=PROGRAM_OF_MODE)
def test_driver_imports_no_library_before_install(program: Program) -> None:
    module = pathlib.Path(program.file).stem
    code = f"import sys, {module}; print([name for name in {program.packages!r} if name in sys.modules])"
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True, timeout=PROCESS_TIMEOUT
    )
    assert child.stdout == "[]\n"


def serve_wrong_mail_size(listener: socket.socket) -> None:
    """Serve one mail by SMTP, and report another size than was received."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        connection.settimeout(PEER_TIMEOUT)
        connection.sendall(b"220 here\r\n")
        for line in lines:
            if line.startswith(b"DATA"):
                connection.sendall(b"354 go on\r\n")
            elif line == b".\r\n":
                connection.sendall(b"250 0\r\n")
            elif line[:4] in (b"EHLO", b"MAIL", b"RCPT"):
                connection.sendall(b"250 so be it\r\n")


def test_mail_of_wrong_size_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PEER_TIMEOUT)
        thread = threading.Thread(target=serve_wrong_mail_size, args=(listener,))
        thread.start()
        try:
            with pytest.raises(FailedError, match="the server received other bytes than were sent"):
                driving.mails_sent(
                    listener.getsockname()[1], 1, dataclasses.replace(scenario_named("smtp"), connections=1)
                )
        finally:
            thread.join(PEER_TIMEOUT)


def test_http_errors_are_reported() -> None:
    require_program("wrk")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PEER_TIMEOUT)
        thread = threading.Thread(target=serve_http_errors, args=(listener,))
        thread.start()
        try:
            with pytest.raises(FailedError, match=r"wrk had [1-9]\d* errors"):
                driving.requests_made(
                    listener.getsockname()[1], 1, dataclasses.replace(scenario_named("hypercorn"), connections=1)
                )
        finally:
            thread.join(PEER_TIMEOUT)


def serve_http_errors(listener: socket.socket) -> None:
    """Answer the requests of one connection with errors; wrk opens another one before."""
    with listener.accept()[0], listener.accept()[0] as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(PEER_TIMEOUT)
        while connection.recv(4096):
            connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")


def test_floor_and_profile_are_measured_with_both_contenders() -> None:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")
    scenario_used = small_scenario("smtp")
    contenders = [contender("asyncio"), contender("sluiceway-pure")]
    without_floor = rounds.run(scenario_used, contenders, 1, 0, 0.02, lambda what: None)
    assert without_floor.raw == {}, "a floor was measured for one contender only"
    result = rounds.run(scenario_used, [contenders[0], contender("sluiceway")], 1, 0, 0.02, lambda what: None)
    assert {name: len(selected) for name, selected in result.samples.items()} == {"asyncio": 1, "sluiceway": 1}
    assert {name: len(selected) for name, selected in result.raw.items()} == {"c": 1, "asyncio": 1}
    assert len(result.profiles) == 1
