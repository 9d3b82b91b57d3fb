"""One measurement: run the server under valgrind, drive it, and return the counts per message."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

from benchmarks.certificates import identity
from benchmarks.compiling import compiled
from benchmarks.cost.counts import Cost, calls_of, instructions_of
from benchmarks.cost.lockstep import PATIENCE_SECONDS, FailedError, Gate
from benchmarks.cost.package import Package
from benchmarks.cost.rounds import drive
from benchmarks.cost.scenarios import Scenario

HERE: Final = pathlib.Path(__file__).resolve().parent


def gate_library() -> pathlib.Path:
    """Return the compiled gate.c. Compiles it if it is newer. Raises FailedError if gcc fails."""
    source = HERE / "gate.c"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    try:
        return compiled("cost-gate.so", [source], ["gcc", *flags], [str(source)])
    except subprocess.CalledProcessError:
        raise FailedError(f"gcc cannot compile {source.name}; it needs the headers of Debian's valgrind") from None


def environment_of(package: Package, scenario: Scenario) -> dict[str, str]:
    """Return the environment of the server. The user's environment would change addresses and settings."""
    return {
        "LC_ALL": "C.UTF-8",
        "LD_PRELOAD": str(gate_library()),
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(package.path or ""),
        package.variable("ENGINE"): scenario.engine,
        package.variable("PURE"): "1" if scenario.pure else "0",
    }


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(identity().authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def measure(package: Package, scenario: Scenario) -> Cost:
    """Return the cost of one message for the server. FailedError if the exchange differs from the scenario."""
    costs = [measure_layout(package, scenario, layout) for layout in range(scenario.layouts)]
    return Cost(statistics.median(one.instructions for one in costs), statistics.median(one.calls for one in costs))


def measure_layout(package: Package, scenario: Scenario, layout: int) -> Cost:
    """Return the cost of one message with the object addresses of ``layout``."""
    messages = scenario.rounds * scenario.messages
    with measured_files(package, scenario, layout) as (profile, log):
        with profile.open() as lines:
            instructions = instructions_of(lines)
        with log.open(errors="replace") as lines:
            calls = calls_of(lines)
    return Cost(instructions / messages, calls.total() / messages)


@contextlib.contextmanager
def measured_files(package: Package, scenario: Scenario, layout: int) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """Run the scenario, and yield the profile of callgrind and the log of valgrind."""
    with tempfile.TemporaryDirectory() as directory:
        profile, log = pathlib.Path(directory, "profile"), pathlib.Path(directory, "log")
        errors = pathlib.Path(directory, "errors")
        ours, theirs = socket.socketpair()
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no"]
        valgrind += ["--trace-syscalls=yes", f"--log-file={log}", f"--callgrind-out-file={profile}"]
        # Without the module site, no package of the environment can be imported except the measured one.
        python = [sys.executable, "-P", "-S", "-s", str(HERE / "echo_server.py")]
        options = [f"--streams={package.name}", f"--mode={scenario.mode}", f"--size={len(scenario.request)}"]
        options += [f"--gate={theirs.fileno()}", *(["--pure"] if scenario.pure else [])]
        if scenario.tls:
            options += ["--tls", str(identity().certificate), str(identity().key)]
        with errors.open("w") as stderr:
            server = subprocess.Popen(
                [*valgrind, *python, *options],
                env=environment_of(package, scenario) | {"COST_LAYOUT": str(layout)},
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        theirs.close()
        try:
            run(server, ours, package, scenario)
        except FailedError as error:
            raise FailedError(f"{scenario.name}, {package.name}: {error}\n{errors.read_text()}".rstrip()) from error
        finally:
            ours.close()
            server.kill()
            server.communicate()
        yield profile, log


def run(server: subprocess.Popen[str], gate: socket.socket, package: Package, scenario: Scenario) -> None:
    """Drive the server and wait for its exit, at which valgrind writes the counts."""
    assert server.stdout is not None
    port, _, file = server.stdout.readline().strip().partition(" ")
    if not port:
        raise FailedError("the server did not start")
    if package.path is not None and not pathlib.Path(file).is_relative_to(package.path):
        raise FailedError(f"the server imported {file}, which is not below {package.path}")
    drive(Gate(gate), int(port), scenario, client_context() if scenario.tls else None)
    gate.close()
    try:
        server.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise FailedError("the server does not exit") from None
