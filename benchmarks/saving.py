"""What streams are of a real program's CPU time, how much of it could be saved, and how much of that was.

- The **share** is what a profile of the program on asyncio puts on streams and sockets (``programs/sampling.py``).
- No program is without socket work. What it costs at the least, as a part of what asyncio's streams cost, is the
  **floor**: C's CPU for a line divided by that of asyncio's streams, in the same rounds, with as many connections.
- **Can be saved**: the share times (1 - floor).
- **Was saved**: how much less CPU an operation costs on sluiceway, as a part of what it costs on asyncio. The turns of
  the loop that sluiceway saves are in it and not in the share, so more than all that can be saved may be saved.
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
    """The scenario without a program whose floor is taken for the program's."""
    return scenario_named(RAW).at(scenario.connections)


@dataclasses.dataclass(frozen=True, slots=True)
class Saving:
    """All but ``saved`` are parts of the program's CPU on asyncio; ``saved`` is a part of ``can_be_saved``."""

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
    """None where one of them was not measured."""
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
        f"- Of {BEFORE}'s CPU a profile of {found.samples:,} samples puts {groups['streams']:.1%} on streams and "
        f"sockets, {groups['loop']:.1%} on the rest of the loop, {groups['program']:.1%} on the program. Socket work "
        f"alone costs {found.floor:.2f} of what streams cost (C, {RAW}): {found.can_be_saved:.1%} can be saved, "
        f"{found.was_saved:.1%} was."
    )
    how_much = (
        f"- {AFTER}: {found.saved.median:.2f} of what can be saved was saved ({found.saved.low:.2f} to "
        f"{found.saved.high:.2f}, at {found.saved.confidence:.0%}), wanted at least {WANTED:.3g}: **{verdict}**"
    )
    return [where, how_much]
