"""The command line: ``python -m benchmarks run`` measures, ``python -m benchmarks report`` prints stored results."""

from __future__ import annotations

import pathlib

import click

from benchmarks import changes, results, rounds
from benchmarks import report as reporting
from benchmarks.contenders import CONTENDERS, contender_named
from benchmarks.cost import commits
from benchmarks.cost.lockstep import FailedError as BuildError
from benchmarks.measure import FailedError, cores
from benchmarks.scenarios import SCENARIOS, scenario_named
from benchmarks.studies import report as study_reporting
from benchmarks.studies import running as studying
from benchmarks.studies.catalogue import STUDIES, study_named

QUICK_CONTENDERS = ("c", "asyncio", "uvloop", "sluiceway")


def _names(texts: tuple[str, ...], known: list[str], default: list[str]) -> list[str]:
    """Return the names in the values of a repeated option, each once, or ``default`` without a value."""
    if not texts:
        return default
    wanted = list(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    for name in wanted:
        if name not in known:
            raise click.BadParameter(f"unknown name {name!r}; known are {', '.join(known)}")
    return wanted


@click.group()
def main() -> None:
    """Benchmarks of sluiceway and of its alternatives."""


@main.command()
@click.option("--scenario", multiple=True, help="Names, separated by commas; may be repeated. All by default.")
@click.option("--contenders", multiple=True, help="Names, separated by commas; may be repeated. All by default.")
@click.option("--rounds", "count", type=click.IntRange(1), help="Number of rounds. Default: 6, with --quick 2.")
@click.option(
    "--seconds", type=click.FloatRange(0.01), help="Length of the measured window. Default: 1, with --quick 0.3."
)
@click.option("--warmup", type=click.FloatRange(0), help="Seconds before the window. Default: 0.5, with --quick 0.2.")
@click.option(
    "--quick", is_flag=True, help="Run for about two minutes: few contenders, short windows, no studies, no programs."
)
@click.option("--earlier", metavar="COMMIT", help="Measure the package of this commit too. It is built once.")
@click.option(
    "--output", type=click.Path(path_type=pathlib.Path), default=results.RESULTS, help="Directory for the results."
)
def run(
    scenario: tuple[str, ...],
    contenders: tuple[str, ...],
    count: int | None,
    seconds: float | None,
    warmup: float | None,
    quick: bool,
    earlier: str | None,
    output: pathlib.Path,
) -> None:
    """Measure the scenarios and print a table for each."""
    every = [one.name for one in CONTENDERS]
    asked_of = {name: None for one in STUDIES for name in (*every, *one.contenders)}
    wanted = _names(contenders, list(asked_of), [])
    everything = [one.name for one in SCENARIOS] + [one.name for one in STUDIES]
    # With --quick, a scenario that takes minutes runs only if it is named.
    short = [one.name for one in SCENARIOS if not one.numbers and one.side != "program"]
    chosen = _names(scenario, everything, short if quick else everything)
    if cores().measured is None:
        click.echo(
            "only one core is available: the server and the load generator share it, so the figures are not meaningful",
            err=True,
        )

    def progress(what: str) -> None:
        click.echo(what, err=True)

    try:
        commit = commits.full_name(earlier) if earlier else None
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
            contenders_of_scenario = [contender_named(name) for name in names]
            found = rounds.run(
                one,
                changes.with_earlier(contenders_of_scenario, commit) if commit else contenders_of_scenario,
                count or (2 if quick else 6),
                warmup if warmup is not None else (0.2 if quick else 0.5),
                seconds or (0.3 if quick else 1),
                progress,
            )
            if commit:
                found.environment["earlier"] = commit
            found.save(output)
            click.echo(reporting.render(found))
    except (FailedError, BuildError) as failure:
        raise click.ClickException(str(failure)) from failure


@main.command()
@click.option(
    "--results",
    "source",
    type=click.Path(path_type=pathlib.Path, exists=True, file_okay=False),
    default=results.RESULTS,
    help="Directory of the results.",
)
@click.option(
    "--chart/--no-chart", default=True, help="Draw chart.svg and chart.png in the same directory. Needs matplotlib."
)
def report(source: pathlib.Path, chart: bool) -> None:
    """Write the tables and the chart of stored results, without measuring."""
    found = results.load_all(source)
    studies = studying.load_all(source)
    texts = [
        *map(reporting.render, found.values()),
        *map(study_reporting.render, studies.values()),
        changes.render([*found.values()]),
    ]
    text = "\n".join(filter(None, texts))
    (source / "tables.md").write_text(reporting.preface([*found.values(), *studies.values()]) + text)
    click.echo(text)
    if chart:
        from benchmarks import chart as charting

        for path in charting.draw(found, source):
            click.echo(f"wrote {path.name}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
