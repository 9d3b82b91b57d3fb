"""The command line: ``python -m benchmarks run`` measures, ``python -m benchmarks report`` shows what was measured."""

from __future__ import annotations

import pathlib

import click

from benchmarks import report as reporting
from benchmarks import results, rounds
from benchmarks.contenders import CONTENDERS, contender_named
from benchmarks.measure import FailedError, cores
from benchmarks.scenarios import SCENARIOS, scenario_named

QUICK_CONTENDERS = ("c", "asyncio", "uvloop", "penstock")


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
    """What penstock costs, beside what else there is."""


@main.command()
@click.option("--scenario", help="Names, separated by commas; all without it.")
@click.option("--contenders", help="Names, separated by commas; all without it.")
@click.option("--rounds", "count", type=click.IntRange(1), help="6, with --quick 3.")
@click.option("--seconds", type=click.FloatRange(0.01), help="The measured window: 1, with --quick 0.3.")
@click.option("--warmup", type=click.FloatRange(0), help="Seconds before it: 0.5, with --quick 0.2.")
@click.option("--quick", is_flag=True, help="Few contenders, short windows.")
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
    scenarios = _names(scenario, [one.name for one in SCENARIOS], [one.name for one in SCENARIOS])
    if cores().measured is None:
        click.echo("one core only: server and load share it, and nothing is to be concluded from the figures", err=True)
    for one in map(scenario_named, scenarios):
        usual = list(one.contenders) or every
        names = _names(contenders, every, [name for name in usual if name in QUICK_CONTENDERS] if quick else usual)
        try:
            found = rounds.run(
                one,
                [contender_named(name) for name in names],
                count or (3 if quick else 6),
                warmup if warmup is not None else (0.2 if quick else 0.5),
                seconds or (0.3 if quick else 1),
                lambda what: click.echo(what, err=True),
            )
        except FailedError as failure:
            raise click.ClickException(str(failure)) from failure
        found.save(output)
        click.echo(reporting.render(found))


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
    text = "\n".join(map(reporting.render, found.values()))
    (source / "tables.md").write_text(reporting.preface(found) + text)
    click.echo(text)
    if chart:
        from benchmarks import chart as charting

        for path in charting.draw(found, source):
            click.echo(f"{path.name} is drawn", err=True)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
