"""The real programs do their work on every kind of streams, and what drives them notices when they do not."""

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
from support.benchmark_samples import sample_until_active
from support.external_programs import require_headers, require_program, skip_missing

SCENARIOS = ("redis", "hypercorn", "smtp")


def contender(name: str) -> Contender:
    if name == "sluiceway" and importlib.util.find_spec("sluiceway._transports.epoll.stream_socket") is None:
        skip_missing("the engine is not installed")
    return contender_named(name)


def small(name: str) -> Scenario:
    """Few connections, where the tools that it needs are there."""
    for tool in PROGRAM_OF_MODE[name].tools:
        require_program(tool)
    return dataclasses.replace(scenario_named(name), connections=3)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "sluiceway", "sluiceway-pure"])
def test_operations_are_done_and_their_cpu_is_read(name: str, scenario: str) -> None:
    where, one = small(scenario), contender(name)
    found = sample_until_active(
        lambda seconds: driving.program_sample(one.command(where), one.variables, where, 0, seconds)
    )
    assert found.messages > 0
    assert found.bytes >= found.messages * where.size
    assert found.cpu_seconds > 0
    assert found.seconds > 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_profile_finds_streams_and_the_program(scenario: str) -> None:
    where, one = small(scenario), contender("asyncio")
    found = driving.profiled(one.command(where), one.variables, where, 0, 0.5)
    assert set(found) <= {"streams", "loop", "program"}
    assert found["streams"] > 0
    assert found["program"] > 0


@pytest.mark.parametrize("program", PROGRAM_OF_MODE.values(), ids=PROGRAM_OF_MODE)
def test_no_library_is_imported_before_sluiceway_can_be_installed(program: Program) -> None:
    module = pathlib.Path(program.file).stem
    code = f"import sys, {module}; print([name for name in {program.packages!r} if name in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout == "[]\n"


def forgetful(listener: socket.socket) -> None:
    """An SMTP server for one mail, which says that it got another."""
    wire, _ = listener.accept()
    with wire, wire.makefile("rb") as lines:
        wire.settimeout(10)
        wire.sendall(b"220 here\r\n")
        for line in lines:
            if line.startswith(b"DATA"):
                wire.sendall(b"354 go on\r\n")
            elif line == b".\r\n":
                wire.sendall(b"250 0\r\n")
            elif line[:4] in (b"EHLO", b"MAIL", b"RCPT"):
                wire.sendall(b"250 so be it\r\n")


def test_a_mail_that_arrived_otherwise_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=forgetful, args=(listener,))
        thread.start()
        try:
            with pytest.raises(FailedError, match="what arrived is not what was sent: b'250 0'"):
                driving.mails_sent(
                    listener.getsockname()[1], 1, dataclasses.replace(scenario_named("smtp"), connections=1)
                )
        finally:
            thread.join(20)


def test_answers_that_are_errors_are_seen() -> None:
    require_program("wrk")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=unwilling, args=(listener,))
        thread.start()
        try:
            with pytest.raises(FailedError, match=r"wrk had [1-9]\d* errors"):
                driving.requests_made(
                    listener.getsockname()[1], 1, dataclasses.replace(scenario_named("hypercorn"), connections=1)
                )
        finally:
            thread.join(20)


def unwilling(listener: socket.socket) -> None:
    """An HTTP server that answers the requests of one connection with errors; wrk opens another beforehand to look."""
    with listener.accept()[0], listener.accept()[0] as wire, contextlib.suppress(ConnectionError):
        wire.settimeout(10)
        while wire.recv(4096):
            wire.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")


def test_the_floor_is_measured_beside_and_a_profile_is_kept() -> None:
    require_program("gcc")
    require_headers("openssl/ssl.h", "libssl-dev")
    where = small("smtp")
    both = [contender("asyncio"), contender("sluiceway-pure")]
    without = rounds.run(where, both, 1, 0, 0.02, lambda what: None)
    assert without.raw == {}, "there is no floor without a before and an after"
    found = rounds.run(where, [both[0], contender("sluiceway")], 1, 0, 0.02, lambda what: None)
    assert {name: len(one) for name, one in found.samples.items()} == {"asyncio": 1, "sluiceway": 1}
    assert {name: len(one) for name, one in found.raw.items()} == {"c": 1, "asyncio": 1}
    assert len(found.profiles) == 1
