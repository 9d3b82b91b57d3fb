"""The package of an earlier commit as further contenders, and the table of what has changed since."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.contenders import Contender
from benchmarks.cost import commits, machine
from benchmarks.ratios import paired
from benchmarks.report import aligned
from benchmarks.results import Results
from benchmarks.scenarios import scenario_named

EARLIER: Final = "-earlier"  # the ending of the names of these contenders
COMPARED: Final = ("sluiceway", "sluiceway-loop", "sluiceway-pure")


def with_earlier(contenders: Sequence[Contender], commit: str) -> list[Contender]:
    """Return the contenders, those in COMPARED also with the package of a commit.

    Args:
        contenders: the chosen contenders.
        commit: the full hash. The package is built if necessary; FailedError of the cost benchmark if that fails.
    """
    package = commits.built(commit, machine.cython_of("sluiceway"))
    found = []
    for contender in contenders:
        found.append(contender)
        if contender.name in COMPARED:
            variables = {**contender.variables, "PYTHONPATH": str(package.path)}
            title = f"{contender.title}, commit {commit[:12]}"
            found.append(
                dataclasses.replace(contender, name=contender.name + EARLIER, title=title, variables=variables)
            )
    return found


def rows(every: Iterable[Results]) -> list[list[str]]:
    """Return a row for each contender that was measured with the package of an earlier commit too."""
    table = []
    for results in every:
        unit = scenario_named(results.scenario).unit
        for name, samples in results.samples.items():
            if EARLIER not in name:
                continue
            later = name.replace(EARLIER, "")
            before, after = ([one.cpu_us(unit) for one in each] for each in (samples, results.samples[later]))
            found = paired(after, before)
            table.append(
                [
                    f"{results.scenario}, {later}",
                    f"{statistics.median(before):.2f}",
                    f"{statistics.median(after):.2f}",
                    f"{found.median:.2f}",
                    f"{found.low:.2f} to {found.high:.2f}",
                ]
            )
    return table


def render(every: Sequence[Results]) -> str:
    """Return the table of all scenarios, or an empty text if no earlier package was measured."""
    table = rows(every)
    if not table:
        return ""
    names = sorted({results.environment["earlier"][:12] for results in every if "earlier" in results.environment})
    heads = ["scenario, contender", "CPU us before", "CPU us after", "after/before", "interval"]
    return "\n".join([f"## Changes since commit {', '.join(names)}", "", *aligned([heads, *table])]) + "\n"
