"""The command line: ``python -m benchmarks run`` measures, ``python -m benchmarks report`` shows what was measured."""

from __future__ import annotations

import pathlib

import click

from benchmarks import report as reporting
from benchmarks import results, rounds
from benchmarks.contenders import CONTENDERS, contender_named
from benchmarks.measure import FailedError, cores
from benchmarks.scenarios import SCENARIOS, scenario_named
from benchmarks.studies import report as study_reporting
from benchmarks.studies import running as studying
from benchmarks.studies.catalogue import STUDIES, study_named

QUICK_CONTENDERS = ("c", "asyncio", "uvloop", "sluiceway")


def _names(text: str | None, known: list[str], default: list[str]) -> list[str]:
    if text is None:
        return default
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise click.BadParameter(f"{name} is none of {', '.join(known)}")
    return wanted


@click.group()
def main() -> None:
    """What sluiceway costs, beside what else there is."""


@main.command()
@click.option("--scenario", help="Names, separated by commas; all without it.")
@click.option("--contenders", help="Names, separated by commas; all without it.")
@click.option("--rounds", "count", type=click.IntRange(1), help="6, with --quick 2.")
@click.option("--seconds", type=click.FloatRange(0.01), help="The measured window: 1, with --quick 0.3.")
@click.option("--warmup", type=click.FloatRange(0), help="Seconds before it: 0.5, with --quick 0.2.")
@click.option("--quick", is_flag=True, help="Two minutes: few contenders, short windows, neither studies nor programs.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), default=results.RESULTS, help="Where results go.")
def run(
    scenario: str | None,
    contenders: str | None,
    count: int | None,
    seconds: float | None,
    warmup: float | None,
    quick: bool,
    output: pathlib.Path,
) -> None:
    """Measure, and print a table for each scenario."""
    every = [one.name for one in CONTENDERS]
    asked_of = {name: None for one in STUDIES for name in (*every, *one.contenders)}
    wanted = _names(contenders, list(asked_of), [])
    everything = [one.name for one in SCENARIOS] + [one.name for one in STUDIES]
    # What takes minutes for itself is measured quickly only if it is asked for.
    short = [one.name for one in SCENARIOS if not one.numbers and one.side != "program"]
    chosen = _names(scenario, everything, short if quick else everything)
    if cores().measured is None:
        click.echo("one core only: server and load share it, and nothing is to be concluded from the figures", err=True)

    def progress(what: str) -> None:
        click.echo(what, err=True)

    try:
        for name in chosen:
            if name in {study.name for study in STUDIES}:
                study = study_named(name)
                if wanted and not set(wanted) & set(study.contenders):
                    continue
                asked = count or (study.quick_rounds if quick else study.rounds)
                readings = studying.run(study, wanted or None, asked, quick, progress)
                readings.save(output)
                click.echo(study_reporting.render(readings))
                continue
            one = scenario_named(name)
            usual = list(one.contenders) or every
            if wanted and not set(wanted) & set(every):
                continue
            names = [name for name in wanted if name in every] or (
                [name for name in usual if name in QUICK_CONTENDERS] if quick else usual
            )
            found = rounds.run(
                one,
                [contender_named(name) for name in names],
                count or (2 if quick else 6),
                warmup if warmup is not None else (0.2 if quick else 0.5),
                seconds or (0.3 if quick else 1),
                progress,
            )
            found.save(output)
            click.echo(reporting.render(found))
    except FailedError as failure:
        raise click.ClickException(str(failure)) from failure


@main.command()
@click.option(
    "--results",
    "source",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    default=results.RESULTS,
    help="Where they are.",
)
@click.option("--chart/--no-chart", default=True, help="Draw chart.svg and chart.png beside them; needs matplotlib.")
def report(source: pathlib.Path, chart: bool) -> None:
    """Write the tables and the chart of what was measured before, without measuring."""
    found = results.load_all(source)
    studies = studying.load_all(source)
    texts = [*map(reporting.render, found.values()), *map(study_reporting.render, studies.values())]
    text = "\n".join(texts)
    (source / "tables.md").write_text(reporting.preface([*found.values(), *studies.values()]) + text)
    click.echo(text)
    if chart:
        from benchmarks import chart as charting

        for path in charting.draw(found, source):
            click.echo(f"{path.name} is drawn", err=True)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
