"""What the costs of the working tree are compared with: the kept figures, or an older commit that is measured now."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from benchmarks.cost import commits, figures
from benchmarks.cost.counts import Cost
from benchmarks.cost.figures import Costs, Figures
from benchmarks.cost.lockstep import FailedError
from benchmarks.cost.machine import differences
from benchmarks.cost.package import ASYNCIO, Package
from benchmarks.cost.running import measure_all
from benchmarks.cost.scenarios import Scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """The three columns of the report; ``against`` names what ``before`` is."""

    ours: Costs
    asyncio: Costs
    before: Costs
    against: str


def kept() -> Figures | None:
    """The figures of the working tree."""
    if not figures.PATH.exists():
        return None
    return figures.parse(figures.PATH.read_text(encoding="utf-8"))


def unexplained() -> list[str]:
    """What of the last change of the figures lacks a reason."""
    before = commits.previous_content(figures.PATH)
    current = kept()
    if before is None or current is None:
        return []
    return figures.unexplained(figures.parse(before), current)


def reference(known: Figures | None, environment: dict[str, str], against: str | None) -> str | None:
    """The commit to build and measure; None where the kept figures are comparable, or where nothing is kept."""
    if against is not None:
        return commits.full_name(against)
    if known is None or not differences(known.environment, environment):
        return None
    history = commits.commits_of(figures.PATH)
    if not history:
        raise FailedError(
            "the figures are those of another environment, and no commit holds them that could be measured here: "
            f"{', '.join(differences(known.environment, environment))}"
        )
    return history[0]


def compare(
    package: Package, scenarios: Sequence[Scenario], environment: dict[str, str], against: str | None, workers: int
) -> Comparison:
    """Measure the package, what it is compared with unless that is known, and asyncio unless that is known."""
    known = kept()
    commit = reference(known, environment, against)
    comparable = known is not None and not differences(known.environment, environment)
    jobs = [(package, scenario) for scenario in scenarios]
    older = None
    if commit is not None:
        older = commits.built(commit, environment["cython"])
        jobs += [(older, scenario) for scenario in scenarios]
    costs_of_asyncio = dict(known.asyncio) if known is not None and comparable else {}
    jobs += [(ASYNCIO, scenario) for scenario in scenarios if scenario.name not in costs_of_asyncio]
    measured = measure_all(jobs, workers)

    def costs(one: Package | None) -> dict[str, Cost]:
        return {scenario.name: measured[one, scenario] for scenario in scenarios if one and (one, scenario) in measured}

    if older is not None and commit is not None:
        return Comparison(costs(package), costs_of_asyncio | costs(ASYNCIO), costs(older), f"commit {commit[:12]}")
    before = known.ours if known is not None else {}
    return Comparison(costs(package), costs_of_asyncio | costs(ASYNCIO), before, figures.PATH.name)
