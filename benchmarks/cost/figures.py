"""The stored figures, figures.json, and the rules for changing them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Final

from benchmarks.cost.counts import Cost
from benchmarks.cost.machine import differences

PATH: Final = pathlib.Path(__file__).resolve().parent / "figures.json"

# Counts of the same source differ by much less.
ALLOWED_GROWTH: Final = 0.03

# By scenario.
Costs = dict[str, Cost]


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """The figures, their environment, and the reason for their last growth. ``asyncio`` is for comparison only."""

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
    """Return the text of the file, sorted, with one number per line."""

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
    """Return the growth as a fraction: 0.03 for 3 %."""
    if before == 0:
        return 0.0 if after == 0 else float("inf")
    return after / before - 1


def grown(before: Costs, after: Costs) -> list[str]:
    """Return one line per figure that grew by more than is allowed. A figure of only one side is ignored."""
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
    """Return one line per change that needs a reason and has none. Empty if ``why`` is new."""
    if current.why.strip() and current.why != previous.why:
        return []
    if changed := differences(previous.environment, current.environment):
        return [f"the figures are from another environment: {', '.join(changed)}"]
    return grown(previous.ours, current.ours)
