"""Contenders in turn, in several rounds: one process each, a different one first in each round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks import environment, measure
from benchmarks.contenders import Contender, Missing
from benchmarks.measure import Failed, Sample
from benchmarks.results import Results
from benchmarks.scenarios import Scenario


def rotated(contenders: Sequence[Contender], number: int) -> Iterable[Contender]:
    first = number % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def run(
    scenario: Scenario,
    contenders: Sequence[Contender],
    rounds: int,
    warmup: float,
    seconds: float,
    progress: Callable[[str], None],
) -> Results:
    """Measure all of ``contenders`` that can run here. Raises Failed, with the contender's name, if a run fails."""
    commands: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for contender in contenders:
        if not contender.runs(scenario):
            continue
        try:
            commands[contender.name] = contender.command(scenario)
        except Missing as reason:
            missing[contender.name] = str(reason)
    present = [contender for contender in contenders if contender.name in commands]
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in present}
    for number in range(rounds):
        for contender in rotated(present, number):
            progress(f"{scenario.name}: round {number + 1} of {rounds}, {contender.name}")
            try:
                one = measure.sample(commands[contender.name], contender.variables, scenario, warmup, seconds)
            except Failed as failure:
                raise Failed(f"{scenario.name}, {contender.name}: {failure}") from failure
            samples[contender.name].append(one)
    shown = {
        contender.name: [
            *(f"{name}={value}" for name, value in contender.variables.items()),
            *map(measure.relative, commands[contender.name]),
        ]
        for contender in present
    }
    return Results(scenario.name, environment.describe(), shown, samples, missing)
