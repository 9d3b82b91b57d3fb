"""The command lines of the benchmarks: repeated options add up."""

import pathlib
import sys
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from benchmarks import __main__ as command
from benchmarks import changes
from benchmarks.cost import __main__ as cost_command
from benchmarks.cost.package import Package


class MeasuredError(Exception):
    """Ends a command after the options were evaluated."""


def measured_scenarios(
    monkeypatch: pytest.MonkeyPatch, output: pathlib.Path, *options: str
) -> list[tuple[str, list[str]]]:
    """Run ``benchmarks run`` without measuring; return each scenario with its contenders."""
    measured: list[tuple[str, list[str]]] = []

    class NoResults:
        environment: ClassVar[dict[str, str]] = {}

        def save(self, _directory: pathlib.Path) -> None:
            pass

    def run(scenario: Any, contenders: list[Any], *_: Any) -> NoResults:
        measured.append((scenario.name, [contender.name for contender in contenders]))
        return NoResults()

    monkeypatch.setattr(command.rounds, "run", run)
    monkeypatch.setattr(command.reporting, "render", lambda _: "table")
    result = CliRunner().invoke(command.main, ["run", "--output", str(output), *options])
    assert result.exit_code == 0, result.output
    return measured


@pytest.mark.parametrize(
    "options",
    [
        ["--scenario", "lines-64", "--scenario", "lines-1000"],
        ["--scenario", "lines-64,lines-1000"],
        ["--scenario", "lines-64", "--scenario", "lines-1000,lines-64"],
    ],
    ids=" ".join,
)
def test_repeated_scenarios_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, options: list[str]) -> None:
    measured = measured_scenarios(monkeypatch, tmp_path, *options)
    assert [name for name, _ in measured] == ["lines-64", "lines-1000"]


def test_repeated_contenders_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    options = ("--scenario", "lines-64", "--contenders", "asyncio", "--contenders", "sluiceway,asyncio")
    assert measured_scenarios(monkeypatch, tmp_path, *options) == [("lines-64", ["asyncio", "sluiceway"])]


def test_unknown_scenario_is_reported_with_known_names() -> None:
    result = CliRunner().invoke(command.main, ["run", "--scenario", "lines-64", "--scenario", "other"])
    assert result.exit_code == 2
    assert "unknown name 'other'; known are " in " ".join(result.stderr.split())


def test_repeated_scenarios_of_cost_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []

    def compare(_package: Any, scenarios: list[Any], *_: Any) -> None:
        measured.extend(scenario.name for scenario in scenarios)
        raise MeasuredError

    options = ["--scenario", "lines-1", "--scenario", "lines-64", "--scenario", "lines-1"]
    monkeypatch.setattr(sys, "argv", ["cost", *options])
    monkeypatch.setattr(cost_command.shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(cost_command, "installed_in_place", lambda _: cost_command.ASYNCIO)
    monkeypatch.setattr(cost_command.machine, "description", lambda _: {})
    monkeypatch.setattr(cost_command, "compare", compare)
    with pytest.raises(MeasuredError):
        cost_command.main()
    assert measured == ["lines-1", "lines-64"]


def test_earlier_commit_adds_its_package_beside_each_contender_that_uses_sluiceway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(changes.commits, "full_name", lambda revision: f"{revision}{'0' * 33}")
    monkeypatch.setattr(changes.commits, "built", lambda commit, _: Package("sluiceway", tmp_path / commit))
    options = ("--scenario", "lines-64", "--contenders", "asyncio,sluiceway,sluiceway-pure", "--earlier", "0123abc")
    assert measured_scenarios(monkeypatch, tmp_path, *options) == [
        ("lines-64", ["asyncio", "sluiceway", "sluiceway-earlier", "sluiceway-pure", "sluiceway-pure-earlier"])
    ]


def test_unknown_earlier_commit_is_reported(tmp_path: pathlib.Path) -> None:
    options = ["--scenario", "lines-64", "--earlier", "no-such-commit", "--output", str(tmp_path)]
    result = CliRunner().invoke(command.main, ["run", *options])
    assert result.exit_code == 1
    assert "git rev-parse" in result.output
