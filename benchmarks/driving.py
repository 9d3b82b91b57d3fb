"""Start and drive each real program, and read its result.

The program runs on the measured core, and its peer on the other one. A client measures its own window. The CPU time of
a server is read before and after a number of operations.
"""

from __future__ import annotations

import contextlib
import json
import math
import pathlib
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from benchmarks import clocks
from benchmarks.measure import START_SECONDS, FailedError, Sample, cores, pinned, running, said_by, stop
from benchmarks.programs import HERE
from benchmarks.scenarios import SEED, Scenario

PATIENCE: Final = 60
SOME_TRIES: Final = 5
MAILS_PER_SECOND: Final = 1000  # of a window; for mails, their number is fixed instead of the time
BODY: Final = b"Hello, World!"

Drive = Callable[[Sequence[str], Mapping[str, str], Scenario, float, float], Sample]


def found(tool: str) -> str | None:
    """Return the path of a program. Debian installs servers in directories that are only on root's PATH."""
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")


def needed(tool: str) -> str:
    path = found(tool)
    if path is None:
        raise FailedError(f"{tool} is not installed")
    return path


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    """Read the output of redis-server until it accepts connections, exits, or START_SECONDS have passed."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"eady to accept connections" not in said:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return False
            piece = process.stdout.read1(65536)  # type: ignore[attr-defined]
            if not piece:
                return False
            said += piece
    return True


@contextlib.contextmanager
def redis_server() -> Iterator[int]:
    """Run a redis-server without persistence on the other core. Yields its port."""
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(SOME_TRIES):
            # redis-server does not support port 0. A port that was free shortly before is nearly always still free.
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
            process = subprocess.Popen(
                pinned([needed("redis-server"), *options], cores().load),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            try:
                if _is_ready(process):
                    yield port
                    return
            finally:
                stop(process)
    raise FailedError("redis-server did not start")


def redis_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    options = {"size": scenario.size, "connections": scenario.connections, "warmup": warmup, "seconds": seconds}
    with redis_server() as port:
        whole = [*command, "--port", str(port)]
        for name, value in options.items():
            whole += [f"--{name}", str(value)]
        return said_by(whole, warmup + seconds + PATIENCE, variables, cores().measured)


def _told(command: Sequence[str], limit: float) -> dict[str, Any]:
    """Run a command on the other core. Returns the JSON object of its last line."""
    try:
        done = subprocess.run(
            pinned(command, cores().load), stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"{command[0]} did not end within {limit:.0f} seconds") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
    if done.returncode != 0 or not lines:
        detail = (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]
        raise FailedError(f"{command[0]} exited with {done.returncode}\n{detail}")
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def requests_made(port: int, seconds: float, scenario: Scenario) -> dict[str, Any]:
    """Run wrk for at least this time, which it rounds to whole seconds."""
    whole = math.ceil(seconds)
    options = ["--threads", "1", "--connections", str(scenario.connections), "--script", str(HERE / "wrk.lua")]
    told: dict[str, Any] = {"errors": 0, "requests": 0}
    # On a loaded machine, no request may be answered in the first second.
    while not told["requests"] and not told["errors"] and whole < PATIENCE:
        command = [needed("wrk"), *options, "--duration", f"{whole}s", f"http://127.0.0.1:{port}/"]
        told = _told(command, whole + PATIENCE)
        whole *= 2
    if told["errors"] or not told["requests"]:
        raise FailedError(f"wrk had {told['errors']} errors in {told['requests']} requests")
    return told


def hypercorn_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    with running(command, cores().measured, variables) as (process, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as answer:
            if answer.read() != BODY:
                raise FailedError("the response of hypercorn is not that of the application")
        if warmup:
            requests_made(port, warmup, scenario)
        cpu, waited = clocks.cpu_seconds(process.pid), clocks.waited_seconds(process.pid)
        told = requests_made(port, seconds, scenario)
        return Sample(
            messages=told["requests"],
            bytes=told["bytes"],
            seconds=told["duration_us"] / 1e6,
            cpu_seconds=clocks.cpu_seconds(process.pid) - cpu,
            load_cpu_seconds=0.0,
            waited_seconds=clocks.waited_seconds(process.pid) - waited,
            p50_us=told["p50_us"],
            p99_us=told["p99_us"],
        )


def mails_sent(port: int, mails: int, scenario: Scenario) -> dict[str, Any]:
    """Send ``mails`` mails from another process."""
    options = {
        "port": port,
        "mails": mails,
        "size": scenario.size,
        "connections": scenario.connections,
        "seed": SEED,
    }
    whole = [sys.executable, str(HERE / "smtp_sender.py")]
    for name, value in options.items():
        whole += [f"--{name}", str(value)]
    told = _told(whole, PATIENCE)
    if told.get("mails") != mails:
        raise FailedError(told.get("error", f"{told.get('mails')} of {mails} mails were accepted"))
    return told


def smtp_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    with running(command, cores().measured, variables) as (process, port):
        if warmup:
            mails_sent(port, math.ceil(warmup * MAILS_PER_SECOND / 5), scenario)
        cpu, waited = clocks.cpu_seconds(process.pid), clocks.waited_seconds(process.pid)
        told = mails_sent(port, max(1, round(seconds * MAILS_PER_SECOND)), scenario)
        return Sample(
            messages=told["mails"],
            bytes=told["bytes"],
            seconds=told["seconds"],
            cpu_seconds=clocks.cpu_seconds(process.pid) - cpu,
            load_cpu_seconds=0.0,
            waited_seconds=clocks.waited_seconds(process.pid) - waited,
            p50_us=0.0,
            p99_us=0.0,
        )


DRIVE_OF_MODE: Final[dict[str, Drive]] = {
    "redis": redis_sample,
    "hypercorn": hypercorn_sample,
    "smtp": smtp_sample,
}


def program_sample(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> Sample:
    """Measure one program in ``scenario``."""
    return DRIVE_OF_MODE[scenario.mode](command, variables, scenario, warmup, seconds)


def profiled(
    command: Sequence[str], variables: Mapping[str, str], scenario: Scenario, warmup: float, seconds: float
) -> dict[str, int]:
    """Return the number of CPU samples in each group of ``programs/sampling.py``, from a separate run."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "profile.json")
        program_sample([*command, "--profile", str(path)], variables, scenario, warmup, seconds)
        try:
            counts: dict[str, int] = json.loads(path.read_text())
        except OSError as error:
            raise FailedError(f"cannot read the profile: {error}") from None
    return counts
