"""The report of the results: the table, and targets that are met or missed."""

import pathlib

import pytest

from benchmarks import changes, report, results
from benchmarks.contenders import CONTENDERS
from benchmarks.environment import without_paths
from benchmarks.measure import Sample
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS, Scenario, Target


def sample(cpu_us: float, waited: float = 0.0) -> Sample:
    return Sample(
        messages=1000,
        bytes=256_000,
        seconds=1.0,
        cpu_seconds=cpu_us / 1000,
        load_cpu_seconds=0.5,
        waited_seconds=waited,
        p50_us=10.0,
        p99_us=20.0,
    )


def results_of(**contenders: list[float]) -> Results:
    samples = {name: [sample(cpu) for cpu in rounds] for name, rounds in contenders.items()}
    return Results("lines-64", {"commit": "0123456789abcdef"}, {}, samples)


def scenario_with_targets(*targets: Target) -> Scenario:
    return Scenario("lines-64", "lines", "lines", 256, 64, targets=targets)


@pytest.mark.parametrize(
    ("ours", "target", "ending"),
    [
        ([5.0] * 6, Target("c", 0.6), "**met**"),
        ([7.0] * 6, Target("c", 0.6), "**MISSED**"),
        ([5.0, 5.0, 5.0, 5.0, 5.0, 7.0], Target("c", 0.6), "**met, within the interval**"),
        ([7.0, 7.0, 7.0, 7.0, 7.0, 5.0], Target("c", 0.6), "**MISSED, within the interval**"),
        ([7.0, 7.0, 7.0, 7.0, 7.0, 5.0], Target("c", 0.6, unless_beyond=True), "**met, within the interval**"),
        ([7.0] * 6, Target("c", 0.6, unless_beyond=True), "**MISSED**"),
    ],
)
def test_target_is_judged_by_paired_ratio(ours: list[float], target: Target, ending: str) -> None:
    (line,) = report.judged(results_of(sluiceway=ours, c=[10.0] * 6), scenario_with_targets(target))
    assert line.endswith(ending)


def test_target_against_unmeasured_contender_is_not_judged() -> None:
    assert report.judged(results_of(sluiceway=[1.0]), scenario_with_targets(Target("c", 1.0))) == []


def test_rows_are_sorted_by_cost_with_ratio_to_first() -> None:
    first, second = report.rows(results_of(sluiceway=[8.0] * 6, c=[4.0] * 6), scenario_with_targets())
    assert first[:4] == ["c", "4.00", "2.00", "2.00 to 2.00"]
    assert second[:4] == ["sluiceway", "8.00", "1.00", "1.00 to 1.00"]


def test_cost_per_megabyte_is_computed_from_bytes() -> None:
    assert sample(256.0).cpu_us("megabyte") == pytest.approx(1_000_000)
    assert sample(256.0).cpu_us("message") == pytest.approx(256)


def test_rounds_with_other_processes_on_cores_are_reported() -> None:
    quiet, noisy = sample(1.0, waited=0.01), sample(1.0, waited=0.2)
    text = report.render(Results("lines-64", {"commit": "0" * 40}, {}, {"c": [quiet, noisy, noisy], "go": [quiet]}))
    assert "other processes used the cores: c 2." in text


def test_saved_results_are_read_back(tmp_path: pathlib.Path) -> None:
    saved = results_of(sluiceway=[1.0, 2.0], c=[0.5, 0.6])
    saved.save(tmp_path)
    assert results.load_all(tmp_path) == {"lines-64": saved}


def test_target_names_contenders_of_its_scenario() -> None:
    for each in SCENARIOS:
        names = {contender.name for contender in CONTENDERS if contender.runs(each)}
        if each.numbers:
            names = {f"{name} at {number}" for name in names for number in each.numbers}
        for target in each.targets:
            assert {target.contender, target.other} <= names, each.name


def test_stored_command_has_no_output_path() -> None:
    assert without_paths(["run", "--output", "there", "--rounds", "3"]) == ["run", "--rounds", "3"]
    assert without_paths(["run", "--output=there"]) == ["run"]


def test_change_since_earlier_commit_is_ratio_of_rounds() -> None:
    measured = results_of(**{"sluiceway": [4.0] * 6, "sluiceway-earlier": [8.0] * 6, "c": [2.0] * 6})
    measured.environment["earlier"] = "fedcba9876543210"
    table = changes.render([results_of(sluiceway=[1.0]), measured])
    assert table.startswith("## Changes since commit fedcba987654\n")
    assert table.splitlines()[-1].split("|")[1:-1] == [
        " lines-64, sluiceway ",
        "          8.00 ",
        "         4.00 ",
        "         0.50 ",
        " 0.50 to 0.50 ",
    ]


def test_results_without_earlier_commit_have_no_table_of_changes() -> None:
    assert changes.render([results_of(sluiceway=[1.0])]) == ""
