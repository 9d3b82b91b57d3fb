"""Measure the contenders in several rounds, each in a new process. The order rotates from round to round."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import driving, environment, measure, saving
from benchmarks.contenders import Contender, MissingError, contender_named
from benchmarks.measure import FailedError, Sample
from benchmarks.results import Results
from benchmarks.scenarios import Scenario

ATTEMPTS = 3  # a run is repeated if other processes used the cores


SAMPLE_OF_SIDE: Final = {
    "server": measure.server_sample,
    "client": measure.client_sample,
    "program": driving.program_sample,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table: a contender in a scenario, or in one of several sizes of it."""

    name: str
    contender: Contender
    scenario: Scenario
    command: list[str]

    def measured(self, warmup: float, seconds: float) -> Sample:
        return SAMPLE_OF_SIDE[self.scenario.side](
            self.command, self.contender.variables, self.scenario, warmup, seconds
        )

    def shown(self) -> list[str]:
        variables = [f"{name}={measure.relative(value)}" for name, value in self.contender.variables.items()]
        return [*variables, *map(measure.relative, self.command)]


def entries(scenario: Scenario, contenders: Sequence[Contender]) -> tuple[list[Entry], dict[str, str]]:
    """Return the rows, and the reason for each contender that cannot run."""
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


def raw_entries(scenario: Scenario, rows: Sequence[Entry]) -> list[Entry]:
    """Return the rows of the raw scenario for the floor of a real program."""
    both = {saving.BEFORE, saving.AFTER} <= {row.name for row in rows}
    if scenario.side != "program" or not both:
        return []
    found, missing = entries(saving.raw_scenario(scenario), [contender_named(name) for name in saving.FLOOR])
    return [] if missing else found


def rotated(rows: Sequence[Entry], number: int) -> list[Entry]:
    first = number % len(rows)
    return [*rows[first:], *rows[:first]]


def undisturbed(row: Entry, warmup: float, seconds: float) -> Sample:
    """Return the first of ATTEMPTS runs in which no other process used the cores, or the last run."""
    for _ in range(ATTEMPTS):
        one = row.measured(warmup, seconds)
        if not one.disturbed:
            break
    return one


def run(
    scenario: Scenario,
    contenders: Sequence[Contender],
    rounds: int,
    warmup: float,
    seconds: float,
    progress: Callable[[str], None],
) -> Results:
    """Measure the ``contenders`` that can run. FailedError, with the contender's name, if a run fails."""
    rows, missing = entries(scenario, contenders)
    raw = raw_entries(scenario, rows)
    samples: dict[str, list[Sample]] = {row.name: [] for row in rows}
    raw_samples: dict[str, list[Sample]] = {row.name: [] for row in raw}
    profiles: list[dict[str, int]] = []
    for number in range(rounds if rows else 0):
        for row in [*rotated(rows, number), *raw]:
            progress(f"{scenario.name}: round {number + 1} of {rounds}, {row.name}{', raw' if row in raw else ''}")
            kept = raw_samples if row in raw else samples
            try:
                kept[row.name].append(undisturbed(row, warmup, seconds))
            except FailedError as failure:
                raise FailedError(f"{row.scenario.name}, {row.name}: {failure}") from failure
        if raw:
            progress(f"{scenario.name}: round {number + 1} of {rounds}, a profile")
            before = next(row for row in rows if row.name == saving.BEFORE)
            profiles.append(driving.profiled(before.command, before.contender.variables, scenario, warmup, seconds))
    return Results(
        scenario.name,
        {**environment.describe(), "rounds": rounds, "warmup": warmup, "seconds": seconds},
        {row.name: row.shown() for row in rows},
        samples,
        missing,
        raw_samples,
        profiles,
    )
