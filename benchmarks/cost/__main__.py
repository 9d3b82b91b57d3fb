"""The command line of `make cost`: measure, print the table, and compare with the figures or write new ones."""

from __future__ import annotations

import argparse
import shutil
import sys

from benchmarks.cost import commits, figures, machine
from benchmarks.cost.comparing import Comparison, compare, kept, unexplained
from benchmarks.cost.figures import ALLOWED_GROWTH, Figures
from benchmarks.cost.lockstep import FailedError
from benchmarks.cost.package import ASYNCIO, installed_in_place
from benchmarks.cost.running import measure_all
from benchmarks.cost.scenarios import SCENARIOS, scenario_named
from benchmarks.cost.table import table

REASON = 'run make cost UPDATE="REASON", with what the growth buys, and commit figures.json together with the change'


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit, which is built and measured")
    parser.add_argument("--update", action="store_true", help="write what was measured into figures.json")
    parser.add_argument("--why", help="with --update: the reason, which figures that grew must have")
    parser.add_argument("--jobs", type=int, default=2, help="measurements at the same time")
    given = parser.parse_args()
    if given.update and (given.against or given.scenario):
        parser.error("--update measures all scenarios, and compares with nothing; leave out --against and --scenario")
    return given


def report(found: Comparison) -> int:
    """Print the table and what grew; return the exit status."""
    print(table(found.ours, found.asyncio, found.before))
    print(f"change: against {found.against}")
    failures = figures.grown(found.before, found.ours)
    for line in failures:
        print(f"FAILED {line}")
    if failures:
        print(f"Remove the growth; where it is worth its price, {REASON}.")
    elif improved := figures.grown(found.ours, found.before):
        print(f'{len(improved)} figures fell by more than {ALLOWED_GROWTH:.0%}; make cost UPDATE="REASON" keeps that.')
    return 1 if failures else 0


def update(workers: int, why: str | None) -> int:
    """Measure both sides and write the figures; return the exit status."""
    package = installed_in_place(commits.ROOT)
    environment = machine.description(package.name)
    known = kept()
    measured = measure_all([(one, scenario) for scenario in SCENARIOS for one in (package, ASYNCIO)], workers)
    ours, asyncio = ({scenario.name: measured[one, scenario] for scenario in SCENARIOS} for one in (package, ASYNCIO))
    reason = why if why is not None else known.why if known else ""
    figures.PATH.write_text(figures.written(Figures(environment, reason, ours, asyncio)), encoding="utf-8")
    print(table(ours, asyncio, known.ours if known else {}))
    return explained()


def explained() -> int:
    """Print which changes of figures.json lack a reason; return the exit status."""
    lines = unexplained()
    for line in lines:
        print(f"FAILED figures.json, without a new reason: {line}")
    if lines:
        print(f"Every rise of a figure needs a reason: {REASON}.")
    return 1 if lines else 0


def main() -> int:
    given = arguments()
    for program, debian in (("valgrind", "valgrind"), ("gcc", "build-essential")):
        if shutil.which(program) is None:
            print(f"cost: {program} is not installed (Debian package {debian})", file=sys.stderr)
            return 1
    try:
        if given.update:
            return update(given.jobs, given.why)
        package = installed_in_place(commits.ROOT)
        environment = machine.description(package.name)
        scenarios = [scenario_named(name) for name in given.scenario] if given.scenario else list(SCENARIOS)
        found = compare(package, scenarios, environment, given.against, given.jobs)
        return max(report(found), explained())
    except FailedError as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
