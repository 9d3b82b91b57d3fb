"""Contenders in turn, in several rounds: one process each, a different one first in each round."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from benchmarks import environment, measure
from benchmarks.contenders import Contender, MissingError
from benchmarks.measure import FailedError, Sample
from benchmarks.results import Results
from benchmarks.scenarios import Scenario

ATTEMPTS = 3  # a run during which something else used the cores is repeated


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table: a contender in a scenario, which may be one of several that differ in size."""

    name: str
    contender: Contender
    scenario: Scenario
    command: list[str]

    def measured(self, warmup: float, seconds: float) -> Sample:
        of_side = measure.client_sample if self.scenario.side == "client" else measure.server_sample
        return of_side(self.command, self.contender.variables, self.scenario, warmup, seconds)

    def shown(self) -> list[str]:
        variables = [f"{name}={value}" for name, value in self.contender.variables.items()]
        return [*variables, *map(measure.relative, self.command)]


def entries(scenario: Scenario, contenders: Sequence[Contender]) -> tuple[list[Entry], dict[str, str]]:
    """The rows, and for each contender that cannot run here the reason."""
    found: list[Entry] = []
    missing: dict[str, str] = {}
    for contender in contenders:
        if not contender.runs(scenario):
            continue
        try:
            command = contender.command(scenario)
        except MissingError as reason:
            missing[contender.name] = str(reason)
            continue
        if not scenario.numbers:
            found.append(Entry(contender.name, contender, scenario, command))
        found += [
            Entry(f"{contender.name} at {number}", contender, scenario.at(number), command)
            for number in scenario.numbers
        ]
    return found, missing


def rotated(rows: Sequence[Entry], number: int) -> list[Entry]:
    first = number % len(rows)
    return [*rows[first:], *rows[:first]]


def run(
    scenario: Scenario,
    contenders: Sequence[Contender],
    rounds: int,
    warmup: float,
    seconds: float,
    progress: Callable[[str], None],
) -> Results:
    """Measure all of ``contenders`` that can run here. Raises FailedError, naming the contender, if a run fails."""
    rows, missing = entries(scenario, contenders)
    samples: dict[str, list[Sample]] = {row.name: [] for row in rows}
    for number in range(rounds if rows else 0):
        for row in rotated(rows, number):
            progress(f"{scenario.name}: round {number + 1} of {rounds}, {row.name}")
            for _ in range(ATTEMPTS):
                try:
                    one = row.measured(warmup, seconds)
                except FailedError as failure:
                    raise FailedError(f"{scenario.name}, {row.name}: {failure}") from failure
                if not one.disturbed:
                    break
            samples[row.name].append(one)
    return Results(
        scenario.name,
        {**environment.describe(), "rounds": rounds, "warmup": warmup, "seconds": seconds},
        {row.name: row.shown() for row in rows},
        samples,
        missing,
    )
