"""The results as text: a table of the contenders, and the targets of the scenario with their results."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Protocol

from benchmarks import saving
from benchmarks.measure import Sample
from benchmarks.ratios import Interval, paired
from benchmarks.results import Results
from benchmarks.scenarios import Scenario, Target, scenario_named

OURS = "sluiceway"


def figures(samples: Sequence[Sample], figure: str, unit: str) -> list[float]:
    return [one.p50_us if figure == "p50" else one.cpu_us(unit) for one in samples]


def ratio(results: Results, target: Target, unit: str) -> Interval | None:
    """Return the ratio of a target, or None if one of its contenders was not measured."""
    both = [results.samples.get(name) for name in (target.contender, target.other)]
    if not both[0] or not both[1]:
        return None
    return paired(figures(both[0], target.figure, unit), figures(both[1], target.figure, unit))


def rows(results: Results, scenario: Scenario) -> list[list[str]]:
    """Return one row per contender, sorted by CPU time."""
    unit = scenario.unit
    ours = results.samples.get(OURS)
    table = []
    for name, samples in results.samples.items():
        cpu = statistics.median(figures(samples, "cpu", unit))
        against = paired(figures(ours, "cpu", unit), figures(samples, "cpu", unit)) if ours else None
        median = {
            field: statistics.median(getattr(one, field) for one in samples)
            for field in ("p50_us", "p99_us", "seconds", "cpu_seconds", "load_cpu_seconds")
        }
        latency = [f"{median['p50_us']:.0f}", f"{median['p99_us']:.0f}"] if median["p50_us"] else ["", ""]
        table.append(
            (
                cpu,
                [
                    name,
                    f"{cpu:.2f}",
                    f"{against.median:.2f}" if against else "",
                    f"{against.low:.2f} to {against.high:.2f}" if against else "",
                    f"{statistics.median(one.units(unit) / one.cpu_seconds for one in samples):,.0f}",
                    f"{statistics.median(one.units(unit) / one.seconds for one in samples):,.0f}",
                    *latency,
                    f"{median['cpu_seconds'] / median['seconds']:.0%}",
                    f"{median['load_cpu_seconds'] / median['seconds']:.0%}" if median["load_cpu_seconds"] else "",
                ],
            )
        )
    return [row for _, row in sorted(table)]


def heads(scenario: Scenario) -> list[str]:
    unit = {"megabyte": "MB"}.get(scenario.unit, scenario.unit)
    return [
        "contender",
        f"CPU us/{unit}",
        f"{OURS}/it",
        "interval",
        f"{unit}s/CPU s",
        f"{unit}s/s",
        "p50 us",
        "p99 us",
        "busy",
        "load busy",
    ]


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, with names aligned left and numbers aligned right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if at else "-") for at, width in enumerate(widths)) + "|"
    return [line(table[0]), rule, *map(line, table[1:])]


def verdict(found: Interval, wanted: float, unless_beyond: bool = False, least: bool = False) -> str:
    """Return whether a target is met. With ``unless_beyond``, only an interval entirely above the target misses it."""
    reached = found.median >= wanted if least else (found.low if unless_beyond else found.median) <= wanted
    told = "met" if reached else "MISSED"
    return f"{told}, within the interval" if found.low <= wanted < found.high else told


def judged(results: Results, scenario: Scenario) -> list[str]:
    """Return one line per target: met, missed, or within the interval."""
    lines = []
    for target in scenario.targets:
        found = ratio(results, target, scenario.unit)
        if found is None:
            continue
        told = verdict(found, target.at_most, target.unless_beyond)
        what = "CPU" if target.figure == "cpu" else "p50 latency"
        lines.append(
            f"- {target.contender}: {what} {found.median:.3f} of {target.other}'s "
            f"({found.low:.3f} to {found.high:.3f}, at {found.confidence:.0%}); target at most {target.at_most:.3g}: "
            f"**{told}**"
        )
    return lines


def saved(results: Results, scenario: Scenario) -> list[str]:
    """Return the lines about the saved CPU time of a real program; see saving.py."""
    before, after = (results.samples.get(name, []) for name in (saving.BEFORE, saving.AFTER))
    found = saving.saving(before, after, results.raw, results.profiles, scenario.unit)
    if found is None:
        return []
    return saving.told(found, verdict(found.saved, saving.WANTED, least=True))


class Measured(Protocol):
    """Results of a scenario or a study."""

    environment: dict[str, Any]


def preface(found: Sequence[Measured]) -> str:
    """Return the text above the tables."""
    machines = {
        f"{one.environment['processor']}, {one.environment['cores']} cores, {one.environment['kernel']}; "
        + ", ".join(f"{name} {version}" for name, version in one.environment["versions"].items())
        for one in found
    }
    lines = [
        "# Results of the benchmarks",
        "",
        "../README.md explains them. Written by `python -m benchmarks report`.",
        "",
    ]
    return "\n".join([*lines, *sorted(machines), "", ""])


def render(results: Results) -> str:
    scenario = scenario_named(results.scenario)
    rounds = max((len(samples) for samples in results.samples.values()), default=0)
    lines = [
        f"## {scenario.name}: {scenario.title}",
        "",
        f"{rounds} rounds. Commit {results.environment['commit'][:12]}.",
        "",
    ]
    lines += aligned([heads(scenario), *rows(results, scenario)])
    targets = [*judged(results, scenario), *saved(results, scenario)]
    if targets:
        lines += ["", *targets]
    disturbed = {name: sum(one.disturbed for one in samples) for name, samples in results.samples.items()}
    if any(disturbed.values()):
        counted = ", ".join(f"{name} {count}" for name, count in disturbed.items() if count)
        lines += ["", f"Rounds in which other processes used the cores: {counted}."]
    if results.missing:
        lines += ["", *(f"Not measured: {reason}" for reason in results.missing.values())]
    return "\n".join(lines) + "\n"
