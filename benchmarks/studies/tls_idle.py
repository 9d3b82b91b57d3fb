"""What does an idle TLS connection cost, and how much memory does it keep after a burst of data?

Like idle, with TLS 1.3 and fewer connections, because some servers need a quarter of a megabyte for each. The memory is
measured again after a burst, which echoes 1 MiB of lines on each of 200 connections at the same time.
"""

from __future__ import annotations

import functools
from typing import Final

from benchmarks import certificates
from benchmarks.scenarios import KIB, MIB, scenario_named
from benchmarks.studies import Column, Goal, Row, Study, idle
from benchmarks.studies.servers import servers

NUMBERS: Final = (1000, 5000)
FEW: Final = (300,)  # with --quick
BURSTS: Final = 200
BURST: Final = MIB
CONTENDERS: Final = ("go", "asyncio", "uvloop", "aiofastnet", "sluiceway", "sluiceway-uvloop", "sluiceway-pure")
SECONDS: Final = 1.0


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    ways = [(f"{number}", number, 0) for number in (FEW if quick else NUMBERS)]
    ways.append((f"{BURSTS}, with bursts", BURSTS, BURST))
    found, missing = servers(CONTENDERS, scenario_named("tls-lines"))
    authority = certificates.identity().authority
    return [
        Row(
            f"{one.name} at {way}",
            functools.partial(idle.measured, one.contender, one.command, number, SECONDS, authority, burst),
            one.shown,
        )
        for one in found
        for way, number, burst in ways
    ], missing


STUDY: Final = Study(
    "tls-idle",
    f"idle connections with TLS 1.3, and memory after bursts of 1 MiB; CPU of {SECONDS:g} second",
    rows,
    (
        Column("bytes_each", "resident bytes each", ",.0f"),
        Column("left_each", "more after a burst, bytes each", ",.0f"),
        Column("idle_cpu_ms", "idle CPU ms"),
    ),
    tuple(
        Goal(f"{name} at {number}", "bytes_each", 20 * KIB)
        for name in ("sluiceway", "sluiceway-uvloop")
        for number in NUMBERS
    ),
    rounds=6,
    quick_rounds=3,
    contenders=CONTENDERS,
    compared="bytes_each",
)
