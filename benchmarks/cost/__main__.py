"""The command line of `make cost`: measure, print the table, and compare with the stored figures or update them."""

from __future__ import annotations

import argparse
import shutil
import sys

from benchmarks.cost import commits, figures, machine, profile
from benchmarks.cost.comparing import Comparison, compare, kept, unexplained
from benchmarks.cost.figures import ALLOWED_GROWTH, Figures
from benchmarks.cost.lockstep import FailedError
from benchmarks.cost.package import ASYNCIO, installed_in_place
from benchmarks.cost.running import measure_all
from benchmarks.cost.scenarios import SCENARIOS, scenario_named
from benchmarks.cost.table import table

REASON = 'run make cost UPDATE="REASON", with the benefit of the change, and commit figures.json with the change'


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "--scenario", action="append", choices=names, help="measure only this scenario; may be repeated"
    )
    parser.add_argument("--against", metavar="COMMIT", help="build and measure this commit, and compare with it")
    parser.add_argument("--update", action="store_true", help="write the results to figures.json")
    parser.add_argument("--why", help="with --update: the reason, required for figures that grew")
    parser.add_argument(
        "--profile", action="store_true", help="print the instructions by function for --scenario, also of asyncio"
    )
    parser.add_argument("--jobs", type=int, default=2, help="number of simultaneous measurements")
    given = parser.parse_args()
    if given.update and (given.against or given.scenario):
        parser.error("--update measures all scenarios without a comparison; remove --against and --scenario")
    return given


def report(found: Comparison) -> int:
    """Print the table and the figures that grew. Returns the exit status."""
    print(table(found.ours, found.asyncio, found.before))
    print(f"change: compared with {found.against}")
    failures = figures.grown(found.before, found.ours)
    for line in failures:
        print(f"FAILED {line}")
    if failures:
        print(f"Remove the growth. If the change is worth the growth, {REASON}.")
    elif improved := figures.grown(found.ours, found.before):
        print(f'{len(improved)} figures fell by more than {ALLOWED_GROWTH:.0%}; make cost UPDATE="REASON" stores them.')
    return 1 if failures else 0


def update(workers: int, why: str | None) -> int:
    """Measure sluiceway and asyncio, and write the figures. Returns the exit status."""
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
    """Print the changes of figures.json that have no reason. Returns the exit status."""
    lines = unexplained()
    for line in lines:
        print(f"FAILED figures.json: no new reason for {line}")
    if lines:
        print(f"Each growth of a figure needs a reason: {REASON}.")
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
        scenarios = (
            [scenario_named(name) for name in dict.fromkeys(given.scenario)] if given.scenario else list(SCENARIOS)
        )
        if given.profile:
            for one in scenarios:
                print(profile.render(package, one))
                print(profile.render(ASYNCIO, one), flush=True)
            return 0
        found = compare(package, scenarios, environment, given.against, given.jobs)
        return max(report(found), explained())
    except FailedError as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
