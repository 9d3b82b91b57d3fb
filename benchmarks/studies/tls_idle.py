"""What does a connection with TLS cost that says nothing, and what does one keep of a burst that is over?

As in idle, with TLS 1.3, and with fewer connections: some servers need a quarter of a megabyte for each. After a burst,
in which 1 MiB of lines was answered on each of 200 connections at the same time, memory is read once more.
"""

from __future__ import annotations

import functools
from typing import Final

from benchmarks import certificates, contenders, measure
from benchmarks.contenders import contender_named
from benchmarks.scenarios import KIB, MIB, scenario_named
from benchmarks.studies import Column, Goal, Row, Study, idle

NUMBERS: Final = (1000, 5000)
FEW: Final = (300,)  # with --quick
BURSTS: Final = 200
BURST: Final = MIB
CONTENDERS: Final = ("go", "asyncio", "uvloop", "aiofastnet", "penstock", "penstock-uvloop", "penstock-pure")
SECONDS: Final = 1.0


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    found, missing = [], {}
    ways = [(f"{number}", number, 0) for number in (FEW if quick else NUMBERS)]
    for name in CONTENDERS:
        contender = contender_named(name)
        try:
            command = contender.command(scenario_named("tls-lines"))
        except contenders.MissingError as reason:
            missing[name] = str(reason)
            continue
        shown = (*(f"{key}={value}" for key, value in contender.variables.items()), *map(measure.relative, command))
        authority = certificates.identity().authority
        found += [
            Row(
                f"{name} at {way}",
                functools.partial(idle.measured, contender, command, number, SECONDS, authority, burst),
                shown,
            )
            for way, number, burst in [*ways, (f"{BURSTS}, with bursts", BURSTS, BURST)]
        ]
    return found, missing


STUDY: Final = Study(
    "tls-idle",
    f"idle connections with TLS 1.3, and what is left of bursts of 1 MiB; CPU of {SECONDS:g} second",
    rows,
    (
        Column("bytes_each", "resident bytes each", ",.0f"),
        Column("left_each", "more after a burst, bytes each", ",.0f"),
        Column("idle_cpu_ms", "idle CPU ms"),
    ),
    tuple(
        Goal(f"{name} at {number}", "bytes_each", 20 * KIB)
        for name in ("penstock", "penstock-uvloop")
        for number in NUMBERS
    ),
    rounds=6,
    quick_rounds=3,
    contenders=CONTENDERS,
    compared="bytes_each",
)
