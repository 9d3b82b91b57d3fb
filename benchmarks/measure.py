"""One measurement: a server on one core, the load on another, and what came out.

Also for other benchmarks of programs: ``running`` starts and ends a server, ``cores`` chooses the cores.
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
    """A run that does not count: an answer was wrong or missing, or a program did not do its part."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cores:
    """The core of what is measured and the core of what drives it; None where there is only one."""

    measured: int | None
    load: int | None


def cores() -> Cores:
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        return Cores(None, None)
    return Cores(available[-1], available[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """What one run of one contender showed; CPU is the measured process's, user and system, of all its threads.

    ``waited_seconds`` is for how long the first threads of both sides waited for a core that others used.
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
        """Whether something else ran on these cores, so that caches were cold and the other side was slow to answer."""
        return self.waited_seconds > DISTURBED * self.seconds

    def units(self, unit: str) -> float:
        return self.bytes / 1e6 if unit == "megabyte" else float(self.messages)

    def cpu_us(self, unit: str) -> float:
        """Microseconds of CPU for each message, megabyte (10^6 bytes) or connection."""
        return self.cpu_seconds * 1e6 / self.units(unit)


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """The command, run on this core only (Go takes from that how many threads it runs)."""
    return list(command) if core is None else ["taskset", "--cpu-list", str(core), *command]


def first_line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The first line that the process says, or what it had said by its end or by the end of this time."""
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
    """Start a server that prints its port, give process and port, and end it."""
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
                    process.wait(STOP_SECONDS)  # it is probably on its way out, and about to say why
                errors.seek(0)
                detail = errors.read().decode(errors="replace").strip()[-2000:]
                raise FailedError(f"{' '.join(command)} said {said!r} instead of its port\n{detail}") from None
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
    """All of the load generator's command line but for the server's port and process."""
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
    """Run what prints a sample as its one JSON line; ``limit`` is the longest it may take, in seconds."""
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
        raise FailedError(f"{command[0]} ended with {done.returncode} and said {done.stdout!r}\n{detail}") from None
    if "error" in said:
        raise FailedError(said["error"])
    return Sample(**said)


def drive(command: Sequence[str], port: int, pid: int, limit: float) -> Sample:
    """Run the load generator against a server that is there."""
    return said_by([*command, "--port", str(port), "--pid", str(pid)], limit, {}, None)


def server_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    """Measure one server, from its start to its end, in ``scenario``."""
    where = cores()
    with running(command, where.measured, variables) as (process, port):
        result = drive(load_command(scenario, where.load, warmup, seconds), port, process.pid, warmup + seconds + 60)
        if process.poll() is not None:
            raise FailedError(f"the server ended by itself, with {process.returncode}")
        return result


def client_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    """Measure one client against the C server; it measures its own window and CPU, by the same clock of the kernel."""
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
    """A path as it is told in results: below the repository, or its last part."""
    root = pathlib.Path(__file__).resolve().parent.parent
    found = pathlib.Path(path)
    if not found.is_absolute():
        return path
    return str(found.relative_to(root)) if found.is_relative_to(root) and ".venv" not in found.parts else found.name
