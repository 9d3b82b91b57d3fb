"""Does the cost of one small write grow with the number of queued writes?

A peer does not read while many writes of 22 bytes are queued, then reads all of them. The study compares n writes with
4 n writes. If the total cost is linear, the cost of one write is the same.

From Python 3.12 on, asyncio's plain transport adds up the lengths of all queued writes at each write. Where it carries
the connection, the study queues fewer writes and has no goal.
"""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Mapping
from typing import Final

from benchmarks import certificates
from benchmarks.contenders import ENGINE, PURE
from benchmarks.measure import relative
from benchmarks.studies import Column, Goal, Row, Study
from benchmarks.studies.growth import measured

WRITES: Final = {"plain": 200_000, "tls": 100_000}
LITTLE: Final = 20_000  # with --quick
QUADRATIC: Final = {
    f"{name} at plain" for name in ("asyncio", "sluiceway-loop", "sluiceway-pure") if sys.version_info >= (3, 12)
}
QUADRATIC_WRITES: Final = 5_000
GROWTH: Final = 2.0  # 1 is linear, 4 is quadratic

WORKER: Final = pathlib.Path(__file__).resolve().with_name("write_growth_worker.py")
CONTENDERS: Final[dict[str, tuple[str, Mapping[str, str]]]] = {
    "asyncio": ("asyncio", {}),
    "sluiceway": ("sluiceway", ENGINE),
    "sluiceway-loop": ("sluiceway", {"SLUICEWAY_PURE": "0", "SLUICEWAY_ENGINE": "loop"}),
    "sluiceway-pure": ("sluiceway", PURE),
}


def command(contender: str, carrier: str, writes: int) -> list[str]:
    found = [sys.executable, str(WORKER), "--streams", CONTENDERS[contender][0], "--writes", str(writes)]
    if carrier == "tls":
        identity = certificates.identity()
        found += ["--tls", *map(str, (identity.certificate, identity.key, identity.authority))]
    return found


def rows(quick: bool) -> tuple[list[Row], dict[str, str]]:
    made = []
    for contender, (_, variables) in CONTENDERS.items():
        for carrier, writes in WRITES.items():
            name = f"{contender} at {carrier}"
            count = QUADRATIC_WRITES if name in QUADRATIC else LITTLE if quick else writes
            line = command(contender, carrier, count)
            made.append(
                Row(
                    name,
                    functools.partial(measured, line, variables),
                    (*(f"{key}={value}" for key, value in variables.items()), *map(relative, line)),
                )
            )
    return made, {}


STUDY: Final = Study(
    "write-growth",
    "small writes queued for a peer, and four times as many",
    rows,
    (Column("ns_per_write", "CPU ns/write", ",.0f"), Column("growth", "cost with 4 times as many", ".2f")),
    tuple(
        Goal(name, "growth", GROWTH)
        for ours in CONTENDERS
        if ours != "asyncio"
        for carrier in WRITES
        if (name := f"{ours} at {carrier}") not in QUADRATIC
    ),
    rounds=3,
    quick_rounds=3,
    contenders=tuple(CONTENDERS),
    compared="ns_per_write",
)
