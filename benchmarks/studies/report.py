"""The results of a study as text: a table of its figures, and its goals with their results."""

from __future__ import annotations

from benchmarks.ratios import Interval, interval, more, paired
from benchmarks.report import aligned, verdict
from benchmarks.studies import OURS, Column, Goal, Reading, Study
from benchmarks.studies.catalogue import study_named
from benchmarks.studies.running import Readings


def figures(readings: list[Reading], figure: str) -> list[float] | None:
    """Return the figure of each round, or None if this row does not have it."""
    found = [one[figure] for one in readings if figure in one]
    return found or None


def ours(name: str) -> str:
    """Return the row of sluiceway to compare a row with: the one with the same number, if there is one."""
    return OURS + name[len(name.partition(" at ")[0]) :]


def _cell(readings: list[Reading], column: Column) -> str:
    found = figures(readings, column.figure)
    if found is None:
        return ""
    one = interval(found)
    median = format(one.median, column.form)
    ends = [format(end, column.form) for end in (one.low, one.high)]
    return median if set(ends) == {median} else f"{median} ({ends[0]} to {ends[1]})"


def _against(results: Readings, name: str, figure: str) -> str:
    mine, theirs = figures(results.samples.get(ours(name), []), figure), figures(results.samples[name], figure)
    if mine is None or theirs is None or not all(theirs) or len(mine) != len(theirs):
        return ""
    found = paired(mine, theirs)
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def table(results: Readings, study: Study) -> list[list[str]]:
    heads = ["contender", *(column.title for column in study.columns), f"{OURS}/it"]
    return [
        heads,
        *(
            [name, *(_cell(readings, column) for column in study.columns), _against(results, name, study.compared)]
            for name, readings in results.samples.items()
        ),
    ]


def measured(results: Readings, goal: Goal) -> Interval | None:
    """Return the value of a goal, or None if it was not measured."""
    mine = figures(results.samples.get(goal.row, []), goal.figure)
    if mine is None or goal.other is None:
        return None if mine is None else interval(mine)
    theirs = figures(results.samples.get(goal.other, []), goal.figure)
    if theirs is None:
        return None
    return paired(mine, theirs) if goal.how == "times" else more(mine, theirs)


def judged(results: Readings, study: Study) -> list[str]:
    """Return one line per goal: met, missed, or within the interval."""
    titles = {column.figure: column for column in study.columns}
    lines = []
    for goal in study.goals:
        found = measured(results, goal)
        if found is None:
            continue
        column = titles[goal.figure]
        form = ".3f" if goal.other and goal.how == "times" else column.form
        beside = {"times": f" of {goal.other}'s", "more": f" more than {goal.other}'s"}[goal.how] if goal.other else ""
        sure = f" ({found.low:{form}} to {found.high:{form}}, at {found.confidence:.0%})" if found.confidence else ""
        lines.append(
            f"- {goal.row}: {column.title} {found.median:{form}}{beside}{sure}; target at most {goal.at_most:,.5g}: "
            f"**{verdict(found, goal.at_most)}**"
        )
    return lines


def render(results: Readings) -> str:
    study = study_named(results.study)
    lines = [
        f"## {study.name}: {study.title}",
        "",
        f"{results.environment['rounds']} rounds. Commit {results.environment['commit'][:12]}.",
        "",
        *aligned(table(results, study)),
    ]
    goals = judged(results, study)
    if goals:
        lines += ["", *goals]
    if results.missing:
        lines += ["", *(f"Not measured: {reason}" for reason in results.missing.values())]
    return "\n".join(lines) + "\n"
