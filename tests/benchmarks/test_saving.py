"""How much of what can be saved was saved, and whom a sample of a profile belongs to: where the answer is known."""

import asyncio.base_events
import asyncio.selector_events
import asyncio.streams
import asyncio.tasks
import contextlib
import importlib.util
import pathlib
import selectors
import sys
import types
from collections.abc import Callable

import pytest

from benchmarks import report, results
from benchmarks.measure import Sample
from benchmarks.programs import HERE
from benchmarks.results import Results
from benchmarks.saving import saving
from benchmarks.scenarios import scenario_named


def samples(*cpu_us: float) -> list[Sample]:
    return [Sample(1000, 1000, 1.0, cpu / 1000, 0.0, 0.0, 0.0, 0.0) for cpu in cpu_us]


# C takes 0.4 of what asyncio's streams take, and those are a quarter of the program: 0.15 of it can be saved.
RAW = {"c": samples(*[4.0] * 6), "asyncio": samples(*[10.0] * 6)}
PROFILES = [{"streams": 30, "loop": 20, "program": 70}, {"streams": 20, "loop": 20, "program": 40}]


def measured(after: list[Sample]) -> Results:
    by_contender = {"asyncio": samples(*[100.0] * 6), "sluiceway": after}
    return Results("redis", {"commit": "0" * 40}, {}, by_contender, {}, RAW, PROFILES)


def test_what_was_saved_is_a_part_of_what_the_profile_and_the_floor_leave() -> None:
    found = saving(samples(*[100.0] * 6), samples(*[88.0] * 6), RAW, PROFILES, "operation")
    assert found is not None
    assert found.samples == 200
    assert found.groups == {"streams": 0.25, "loop": 0.2, "program": 0.55}
    assert found.floor == pytest.approx(0.4)
    assert found.can_be_saved == pytest.approx(0.15)
    assert found.was_saved == pytest.approx(0.12)
    assert found.saved.median == pytest.approx(0.8)


@pytest.mark.parametrize("lacking", ["before", "after", "raw", "profiles"])
def test_nothing_is_said_where_something_was_not_measured(lacking: str) -> None:
    whole = {"before": samples(1.0), "after": samples(1.0), "raw": RAW, "profiles": PROFILES}
    part = {**whole, lacking: type(whole[lacking])()}
    assert saving(part["before"], part["after"], part["raw"], part["profiles"], "operation") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([88.0] * 6, "**met**"),
        ([95.0] * 6, "**MISSED**"),
        ([110.0] * 6, "**MISSED**"),
        ([88.0, 88.0, 88.0, 88.0, 88.0, 95.0], "**met, within the interval**"),
        ([95.0, 95.0, 95.0, 95.0, 95.0, 88.0], "**MISSED, within the interval**"),
    ],
)
def test_at_least_so_much_is_wanted(after: list[float], verdict: str) -> None:
    *_, line = report.saved(measured(samples(*after)), scenario_named("redis"))
    assert line.endswith(f"wanted at least 0.6: {verdict}")


def test_floor_and_profile_are_kept_with_the_result(tmp_path: pathlib.Path) -> None:
    kept = measured(samples(*[88.0] * 6))
    kept.save(tmp_path)
    assert results.load_all(tmp_path) == {"redis": kept}


@pytest.fixture(scope="module")
def sampling() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("sampling_under_test", HERE / "sampling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stack(sampling: types.ModuleType, *files: str) -> str:
    """The group of a sample whose frames, the outermost first, are of functions in these files."""
    found: list[str] = []

    def innermost() -> None:
        frame = sys._getframe(1)
        found.append(sampling.group_of(frame))

    call: Callable[[], None] = innermost
    for path in reversed(files):
        names: dict[str, object] = {"call": call}
        exec(compile("def frame():\n    call()\n", path, "exec"), names)
        call = names["frame"]  # type: ignore[assignment]
    call()
    return found[0]


PROGRAM = "/srv/program.py"
STREAMS = asyncio.streams.__file__
TRANSPORT = asyncio.selector_events.__file__
TASKS = asyncio.tasks.__file__
LOOP = asyncio.base_events.__file__
SELECTOR = selectors.__file__
LIBRARY = contextlib.__file__


@pytest.mark.parametrize(
    ("files", "group"),
    [
        ((PROGRAM, LOOP, PROGRAM), "program"),
        ((PROGRAM, LOOP, PROGRAM, STREAMS), "streams"),
        ((PROGRAM, LOOP, TRANSPORT, STREAMS, LOOP), "streams"),
        ((PROGRAM, LOOP, TRANSPORT, LIBRARY), "streams"),
        ((PROGRAM, LOOP, SELECTOR), "streams"),
        ((PROGRAM, LOOP), "loop"),
        ((PROGRAM, LOOP, LIBRARY), "loop"),
        ((PROGRAM, LOOP, PROGRAM, TASKS), "loop"),
        ((PROGRAM, LOOP, PROGRAM, LIBRARY), "program"),
        ((PROGRAM, LOOP, TRANSPORT, PROGRAM), "program"),
    ],
)
def test_a_sample_belongs_to_the_innermost_that_has_a_say(
    sampling: types.ModuleType, files: tuple[str, ...], group: str
) -> None:
    assert stack(sampling, *files) == group
