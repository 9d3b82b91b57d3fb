"""One measurement: a server on one core, the load generator on another, and the result.

Other benchmarks use ``running``, which starts and ends a server, and ``cores``, which selects the cores.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import selectors
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import certificates, compiling
from benchmarks.scenarios import SEED, Scenario

START_SECONDS = 20
STOP_SECONDS = 5
DISTURBED = 0.05


class FailedError(Exception):
    """A run has failed: a response was wrong or missing, or a program has failed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cores:
    """The core of the measured process and the core of the load generator. None if the machine has only one core."""

    measured: int | None
    load: int | None


def cores() -> Cores:
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        return Cores(None, None)
    return Cores(available[-1], available[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """The result of one run of one contender. CPU is the user and system time of all threads of the measured process.

    ``waited_seconds``: the time that the first threads of both sides waited for a core that other processes used.
    """

    messages: int
    bytes: int
    seconds: float
    cpu_seconds: float
    load_cpu_seconds: float
    waited_seconds: float
    p50_us: float
    p99_us: float

    @property
    def disturbed(self) -> bool:
        """True if other processes used the cores, which makes caches cold and the other side slow."""
        return self.waited_seconds > DISTURBED * self.seconds

    def units(self, unit: str) -> float:
        return self.bytes / 1e6 if unit == "megabyte" else float(self.messages)

    def cpu_us(self, unit: str) -> float:
        """Return the CPU time in microseconds per message, megabyte (10^6 bytes) or connection."""
        return self.cpu_seconds * 1e6 / self.units(unit)


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """Return the command that runs ``command`` only on this core. Go derives its number of threads from that."""
    return list(command) if core is None else ["taskset", "--cpu-list", str(core), *command]


def first_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return the first line of output, or the incomplete output at the exit of the process or after this time."""
    assert process.stdout is not None
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not said.endswith(b"\n") and selector.select(seconds):
            piece = os.read(process.stdout.fileno(), 1)
            if not piece:
                break
            said += piece
    return said


@contextlib.contextmanager
def running(
    command: Sequence[str], core: int | None, variables: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a server that prints its port. Yields the process and the port, and ends the process."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            pinned(command, core),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **variables},
        )
        try:
            said = first_line(process, START_SECONDS)
            try:
                port = int(said)
            except ValueError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)  # the process is probably exiting, and about to print the reason
                errors.seek(0)
                detail = errors.read().decode(errors="replace").strip()[-2000:]
                raise FailedError(f"{' '.join(command)} printed {said!r} instead of its port\n{detail}") from None
            yield process, port
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def load_command(scenario: Scenario, core: int | None, warmup: float, seconds: float) -> list[str]:
    """Return the command line of the load generator, without the port and the process of the server."""
    options: dict[str, Any] = {
        "mode": scenario.mode,
        "size": scenario.size,
        "batch": scenario.batch,
        "connections": scenario.connections,
        "warmup": warmup,
        "seconds": seconds,
        "seed": SEED,
        "cpu": -1 if core is None else core,
    }
    if scenario.tls:
        options |= {"tls": scenario.tls, "certificate": certificates.identity().certificate}
    command = [str(compiling.load_generator())]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return command


def said_by(command: Sequence[str], limit: float, variables: Mapping[str, str], core: int | None) -> Sample:
    """Run a command that prints a sample as one JSON line. ``limit``: its time limit in seconds."""
    try:
        done = subprocess.run(
            pinned(command, core),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **variables},
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"{command[0]} did not end within {limit:.0f} seconds") from None
    try:
        said = json.loads(done.stdout)
    except ValueError:
        detail = done.stderr.decode(errors="replace").strip()[-2000:]
        raise FailedError(f"{command[0]} exited with {done.returncode} and printed {done.stdout!r}\n{detail}") from None
    if "error" in said:
        raise FailedError(said["error"])
    return Sample(**said)


def drive(command: Sequence[str], port: int, pid: int, limit: float) -> Sample:
    """Run the load generator with a running server."""
    return said_by([*command, "--port", str(port), "--pid", str(pid)], limit, {}, None)


def server_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    """Start one server, measure it in ``scenario``, and end it."""
    where = cores()
    with running(command, where.measured, variables) as (process, port):
        result = drive(load_command(scenario, where.load, warmup, seconds), port, process.pid, warmup + seconds + 60)
        if process.poll() is not None:
            raise FailedError(f"the server exited during the measurement, with {process.returncode}")
        return result


def client_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    """Measure one client with the C server. The client measures its own window and CPU time, with the same clock."""
    where = cores()
    server = [str(compiling.c_server(scenario.mode)), scenario.mode, str(scenario.size)]
    options: dict[str, Any] = {
        "size": scenario.size,
        "connections": scenario.connections,
        "warmup": warmup,
        "seconds": seconds,
        "seed": SEED,
    }
    with running(server, where.load, {}) as (_, port):
        whole = [*command, "--port", str(port)]
        for name, value in options.items():
            whole += [f"--{name}", str(value)]
        return said_by(whole, warmup + seconds + 60, variables, where.measured)


def relative(path: str) -> str:
    """Return a path for results: relative to the repository, or its last part."""
    root = pathlib.Path(__file__).resolve().parent.parent
    found = pathlib.Path(path)
    if not found.is_absolute():
        return path
    return str(found.relative_to(root)) if found.is_relative_to(root) and ".venv" not in found.parts else found.name
