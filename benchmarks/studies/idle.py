"""What does an idle connection cost? Each connection has echoed one line, and its task waits in readline().

The result is the difference between the resident memory with one and with all connections. Then the CPU time of an idle
period is measured, which should be 0.
"""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys
import time
from typing import Final

from benchmarks import clocks
from benchmarks.contenders import Contender
from benchmarks.measure import FailedError, cores, first_line, pinned, running, stop
from benchmarks.scenarios import Scenario, scenario_named
from benchmarks.studies import Column, Goal, Reading, Row, Study
from benchmarks.studies.servers import servers

CONNECTIONS: Final = 10_000
FEW: Final = 1_000  # with --quick
SECONDS: Final = 2.0
SETTLING: Final = 0.3  # seconds for the work of a server after its last response
PATIENCE: Final = 60
CONTENDERS: Final = ("c", "go", "asyncio", "uvloop", "aiofastnet", "sluiceway", "sluiceway-uvloop", "sluiceway-pure")
CLIENT: Final = pathlib.Path(__file__).resolve().with_name("idle_client.py")


def lines() -> Scenario:
    return scenario_named("lines-64")


def _opened(client: subprocess.Popen[bytes], expected: int) -> None:
    said = first_line(client, PATIENCE)
    if said.strip() != str(expected).encode():
        raise FailedError(f"the client printed {said!r} instead of {expected} connections")


def measured(
    contender: Contender,
    command: list[str],
    connections: int,
    seconds: float,
    authority: pathlib.Path | None = None,
    burst: int = 0,
) -> Reading:
    """Start a server, open one connection, then all others, and measure the server.

    ``authority``: for servers with TLS. With ``burst``, each connection then echoes this number of bytes, and the
    memory of the server is measured again.
    """
    with running(command, cores().measured, contender.variables) as (server, port):
        arguments = [sys.executable, str(CLIENT), "--port", str(port), "--connections", str(connections)]
        if authority is not None:
            arguments += ["--authority", str(authority)]
        if burst:
            arguments += ["--burst", str(burst)]
        client = subprocess.Popen(
            pinned(arguments, cores().load), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        try:
            assert client.stdin is not None
            _opened(client, 1)
            before = clocks.resident_bytes(server.pid)
            client.stdin.write(b"\n")
            _opened(client, connections + 1)
            time.sleep(SETTLING)
            cpu = clocks.cpu_seconds(server.pid)
            time.sleep(seconds)
            cpu = clocks.cpu_seconds(server.pid) - cpu
            after = clocks.resident_bytes(server.pid)
            found = {"bytes_each": (after - before) / connections, "idle_cpu_ms": cpu * 1000}
            if burst:
                client.stdin.write(b"\n")
                _opened(client, connections + 1)
                time.sleep(SETTLING)
                found["left_each"] = (clocks.resident_bytes(server.pid) - after) / connections
            if server.poll() is not None or client.poll() is not None:
                raise FailedError("the server or the client exited during the measurement")
        finally:
            if client.stdin is not None:
                client.stdin.close()
            stop(client)
    return found


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    connections = FEW if quick else CONNECTIONS
    found, missing = servers(CONTENDERS, lines())
    return [
        Row(one.name, functools.partial(measured, one.contender, one.command, connections, SECONDS), one.shown)
        for one in found
    ], missing


STUDY: Final = Study(
    "idle",
    f"{CONNECTIONS:,} idle connections, each with a task that waits in readline; CPU of {SECONDS:g} seconds",
    rows,
    (Column("bytes_each", "resident bytes each", ",.0f"), Column("idle_cpu_ms", "idle CPU ms")),
    (
        Goal("sluiceway", "bytes_each", 0.5, "asyncio"),
        Goal("sluiceway", "bytes_each", 0.3, "go"),
        # 0, which a clock in nanoseconds shows for a process that did not run.
        Goal("sluiceway", "idle_cpu_ms", 0.1),
        Goal("sluiceway-uvloop", "idle_cpu_ms", 0.1),
        Goal("sluiceway-pure", "idle_cpu_ms", 0.1),
    ),
    rounds=6,
    quick_rounds=3,
    contenders=CONTENDERS,
    compared="bytes_each",
)
