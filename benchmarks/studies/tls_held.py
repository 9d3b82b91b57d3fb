"""Does a new client wait longer if the server holds thousands of TLS connections?

One client makes visits one after the other: connect, handshake, a line and its response. The result is the ratio of the
99th percentiles with and without the other connections.
"""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys
from typing import Final

from benchmarks import certificates
from benchmarks.contenders import Contender
from benchmarks.measure import FailedError, cores, pinned, running
from benchmarks.scenarios import scenario_named
from benchmarks.studies import Column, Goal, Reading, Row, Study
from benchmarks.studies.servers import servers

CONNECTIONS: Final = 5000
FEW: Final = 300  # with --quick
VISITS: Final = 1000
PATIENCE: Final = 120
CONTENDERS: Final = ("go", "asyncio", "uvloop", "sluiceway", "sluiceway-uvloop")
CLIENT: Final = pathlib.Path(__file__).resolve().with_name("held_client.py")


def measured(contender: Contender, command: list[str], connections: int, visits: int) -> Reading:
    with running(command, cores().measured, contender.variables) as (_, port):
        arguments = [sys.executable, str(CLIENT), "--port", str(port), "--connections", str(connections)]
        arguments += ["--visits", str(visits), "--authority", str(certificates.identity().authority)]
        client = subprocess.run(pinned(arguments, cores().load), stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    if client.returncode != 0:
        raise FailedError(f"the client exited with {client.returncode}")
    kept, empty, held = map(float, client.stdout.split())
    if kept != connections:
        raise FailedError(f"the server held {kept:g} connections instead of {connections}")
    return {"empty_p99_us": empty, "held_p99_us": held, "times": held / empty}


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    connections = FEW if quick else CONNECTIONS
    found, missing = servers(CONTENDERS, scenario_named("tls-lines"))
    return [
        Row(one.name, functools.partial(measured, one.contender, one.command, connections, VISITS), one.shown)
        for one in found
    ], missing


STUDY: Final = Study(
    "tls-held",
    f"visits of a new client with TLS 1.3 to a server that holds {CONNECTIONS:,} connections; p99 of {VISITS:,} visits",
    rows,
    (
        Column("empty_p99_us", "p99 us, empty", ",.0f"),
        Column("held_p99_us", "p99 us, holding them", ",.0f"),
        Column("times", "times"),
    ),
    (Goal("sluiceway", "times", 2.0), Goal("sluiceway-uvloop", "times", 2.0)),
    rounds=6,
    quick_rounds=3,
    contenders=CONTENDERS,
    compared="held_p99_us",
)
