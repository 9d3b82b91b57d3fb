"""The kept figures: figures.json, and the rules for a change of it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Final

from benchmarks.cost.counts import Cost
from benchmarks.cost.machine import differences

PATH: Final = pathlib.Path(__file__).resolve().parent / "figures.json"

# Counts repeat within a small part of it.
ALLOWED_GROWTH: Final = 0.03

# By scenario.
Costs = dict[str, Cost]


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, on what, and why the figures are as they are. ``asyncio`` is for orientation."""

    environment: dict[str, str]
    why: str
    ours: Costs
    asyncio: Costs


def parse(text: str) -> Figures:
    known = json.loads(text)

    def costs(side: str) -> Costs:
        return {name: Cost(**sides[side]) for name, sides in known["figures"].items() if side in sides}

    return Figures(known["environment"], known["why"], costs("ours"), costs("asyncio"))


def written(figures: Figures) -> str:
    """The text of the file: sorted, one number a line."""

    def side(costs: Costs, name: str) -> dict[str, float]:
        return {"instructions": round(costs[name].instructions), "calls": round(costs[name].calls, 6)}

    table = {
        name: {
            label: side(costs, name)
            for label, costs in (("asyncio", figures.asyncio), ("ours", figures.ours))
            if name in costs
        }
        for name in figures.ours
    }
    whole = {"environment": figures.environment, "figures": table, "why": figures.why}
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


def growth(before: float, after: float) -> float:
    """0.03 for 3 % more."""
    if before == 0:
        return 0.0 if after == 0 else float("inf")
    return after / before - 1


def grown(before: Costs, after: Costs) -> list[str]:
    """One line for each figure that grew by more than is allowed. What only one side has is no growth."""
    lines = []
    for name in after:
        if name not in before:
            continue
        for what, unit in (("instructions", "instructions"), ("calls", "system calls")):
            old, new = getattr(before[name], what), getattr(after[name], what)
            if growth(old, new) > ALLOWED_GROWTH:
                digits = 0 if what == "instructions" else 2
                percent = 100 * growth(old, new)
                lines.append(
                    f"{name}: {new:,.{digits}f} {unit} per message, before {old:,.{digits}f} (+{percent:.1f} %)"
                )
    return lines


def unexplained(previous: Figures, current: Figures) -> list[str]:
    """What of a change of the file needs a reason and has none: one line for each, none where ``why`` is new."""
    if current.why.strip() and current.why != previous.why:
        return []
    if changed := differences(previous.environment, current.environment):
        return [f"the figures are those of another environment: {', '.join(changed)}"]
    return grown(previous.ours, current.ours)
