"""Select what the costs of the working tree are compared with: the stored figures, or an older commit."""

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
    """The three columns of the report. ``against``: the name of ``before``."""

    ours: Costs
    asyncio: Costs
    before: Costs
    against: str


def kept() -> Figures | None:
    """Return the stored figures of the working tree."""
    if not figures.PATH.exists():
        return None
    return figures.parse(figures.PATH.read_text(encoding="utf-8"))


def unexplained() -> list[str]:
    """Return the changes of the figures that have no reason."""
    before = commits.previous_content(figures.PATH)
    current = kept()
    if before is None or current is None:
        return []
    return figures.unexplained(figures.parse(before), current)


def reference(known: Figures | None, environment: dict[str, str], against: str | None) -> str | None:
    """Return the commit to measure. None if the stored figures are comparable or do not exist."""
    if against is not None:
        return commits.full_name(against)
    if known is None or not differences(known.environment, environment):
        return None
    history = commits.commits_of(figures.PATH)
    if not history:
        raise FailedError(
            "the figures are from another environment, and no commit that contains them can be measured: "
            f"{', '.join(differences(known.environment, environment))}"
        )
    return history[0]


def compare(
    package: Package, scenarios: Sequence[Scenario], environment: dict[str, str], against: str | None, workers: int
) -> Comparison:
    """Measure the package. Also measure the commit to compare with, and asyncio, if their figures are not known."""
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
