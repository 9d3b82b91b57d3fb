"""What the report says of results: the table, and the targets that are met and missed."""

import pathlib

import pytest

from benchmarks import report, results
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


def measured(**contenders: list[float]) -> Results:
    samples = {name: [sample(cpu) for cpu in rounds] for name, rounds in contenders.items()}
    return Results("lines-64", {"commit": "0123456789abcdef"}, {}, samples)


def scenario(*targets: Target) -> Scenario:
    return Scenario("lines-64", "lines", "lines", 256, 64, targets=targets)


@pytest.mark.parametrize(
    ("ours", "target", "verdict"),
    [
        ([5.0] * 6, Target("c", 0.6), "**met**"),
        ([7.0] * 6, Target("c", 0.6), "**MISSED**"),
        ([5.0, 5.0, 5.0, 5.0, 5.0, 7.0], Target("c", 0.6), "**met, within the interval**"),
        ([7.0, 7.0, 7.0, 7.0, 7.0, 5.0], Target("c", 0.6), "**MISSED, within the interval**"),
        ([7.0, 7.0, 7.0, 7.0, 7.0, 5.0], Target("c", 0.6, unless_beyond=True), "**met, within the interval**"),
        ([7.0] * 6, Target("c", 0.6, unless_beyond=True), "**MISSED**"),
    ],
)
def test_a_target_is_judged_by_the_paired_ratio(ours: list[float], target: Target, verdict: str) -> None:
    (line,) = report.judged(measured(sluiceway=ours, c=[10.0] * 6), scenario(target))
    assert line.endswith(verdict)


def test_a_target_whose_partner_was_not_measured_is_not_judged() -> None:
    assert report.judged(measured(sluiceway=[1.0]), scenario(Target("c", 1.0))) == []


def test_the_cheapest_stands_first_with_the_ratio_to_it() -> None:
    first, second = report.rows(measured(sluiceway=[8.0] * 6, c=[4.0] * 6), scenario())
    assert first[:4] == ["c", "4.00", "2.00", "2.00 to 2.00"]
    assert second[:4] == ["sluiceway", "8.00", "1.00", "1.00 to 1.00"]


def test_megabytes_are_counted_in_bytes() -> None:
    assert sample(256.0).cpu_us("megabyte") == pytest.approx(1_000_000)
    assert sample(256.0).cpu_us("message") == pytest.approx(256)


def test_rounds_in_which_something_else_ran_are_told() -> None:
    quiet, noisy = sample(1.0, waited=0.01), sample(1.0, waited=0.2)
    text = report.render(Results("lines-64", {"commit": "0" * 40}, {}, {"c": [quiet, noisy, noisy], "go": [quiet]}))
    assert "something else used the cores: c 2." in text


def test_results_are_read_as_they_were_kept(tmp_path: pathlib.Path) -> None:
    kept = measured(sluiceway=[1.0, 2.0], c=[0.5, 0.6])
    kept.save(tmp_path)
    assert results.load_all(tmp_path) == {"lines-64": kept}


def test_each_target_speaks_of_contenders_that_run_in_its_scenario() -> None:
    for one in SCENARIOS:
        names = {contender.name for contender in CONTENDERS if contender.runs(one)}
        if one.numbers:
            names = {f"{name} at {number}" for name in names for number in one.numbers}
        for target in one.targets:
            assert {target.contender, target.other} <= names, one.name


def test_a_result_does_not_tell_where_it_was_kept() -> None:
    assert without_paths(["run", "--output", "there", "--rounds", "3"]) == ["run", "--rounds", "3"]
    assert without_paths(["run", "--output=there"]) == ["run"]
