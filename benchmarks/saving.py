"""The share of streams in a real program's CPU time, how much of the share can be saved, and how much was saved.

- The **share** is the part of streams and sockets in a profile of the program on asyncio (``programs/sampling.py``).
- The **floor** is the minimum cost of socket work relative to asyncio's streams: the CPU time of C for a line divided
  by that of asyncio's streams, in the same rounds, with the same number of connections.
- **Can be saved**: the share times (1 - floor).
- **Was saved**: the reduction of the CPU time per operation by sluiceway, relative to asyncio. It includes the
  iterations of the loop that sluiceway saves, which are not in the share. So it can exceed the part that can be saved.
"""

from __future__ import annotations

import collections
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Final

from benchmarks.measure import Sample
from benchmarks.ratios import Interval, interval
from benchmarks.scenarios import Scenario, scenario_named

BEFORE: Final = "asyncio"
AFTER: Final = "sluiceway"
FLOOR: Final = ("c", BEFORE)  # the contenders of the raw scenario
WANTED: Final = 0.6
RAW: Final = "lines-64"


def raw_scenario(scenario: Scenario) -> Scenario:
    """Return the raw scenario that provides the floor of a program."""
    return scenario_named(RAW).at(scenario.connections)


@dataclasses.dataclass(frozen=True, slots=True)
class Saving:
    """``saved`` is relative to ``can_be_saved``; the other figures to the program's CPU time on asyncio."""

    samples: int
    groups: dict[str, float]
    floor: float
    can_be_saved: float
    was_saved: float
    saved: Interval


def saving(
    before: Sequence[Sample],
    after: Sequence[Sample],
    raw: dict[str, list[Sample]],
    profiles: Sequence[dict[str, int]],
    unit: str,
) -> Saving | None:
    """Return the figures, or None if one of the inputs was not measured."""
    floors = [raw.get(name) for name in FLOOR]
    counted: collections.Counter[str] = collections.Counter()
    for profile in profiles:
        counted.update(profile)
    if not before or not after or not floors[0] or not floors[1] or not counted["streams"]:
        return None
    groups = {name: counted[name] / counted.total() for name in ("streams", "loop", "program")}
    floor = statistics.median(
        low.cpu_us("message") / high.cpu_us("message") for low, high in zip(floors[0], floors[1], strict=True)
    )
    can_be_saved = groups["streams"] * (1 - floor)
    less = [1 - new.cpu_us(unit) / old.cpu_us(unit) for new, old in zip(after, before, strict=True)]
    return Saving(
        counted.total(),
        groups,
        floor,
        can_be_saved,
        statistics.median(less),
        interval([one / can_be_saved for one in less]),
    )


def told(found: Saving, verdict: str) -> list[str]:
    groups = found.groups
    where = (
        f"- CPU of {BEFORE} in a profile of {found.samples:,} samples: {groups['streams']:.1%} streams and sockets, "
        f"{groups['loop']:.1%} the rest of the loop, {groups['program']:.1%} the program. Socket work alone costs "
        f"{found.floor:.2f} of the streams (C, {RAW}): {found.can_be_saved:.1%} of the CPU can be saved, "
        f"{found.was_saved:.1%} was saved."
    )
    how_much = (
        f"- {AFTER}: saved {found.saved.median:.2f} of the CPU that can be saved ({found.saved.low:.2f} to "
        f"{found.saved.high:.2f}, at {found.saved.confidence:.0%}); target at least {WANTED:.3g}: **{verdict}**"
    )
    return [where, how_much]
