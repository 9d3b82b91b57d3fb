"""The share of the possible saving that was saved, and the group of a profile sample, on data with known results."""

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


# C needs 0.4 of the time of asyncio's streams, which are a quarter of the program: 0.15 of it can be saved.
RAW = {"c": samples(*[4.0] * 6), "asyncio": samples(*[10.0] * 6)}
PROFILES = [{"streams": 30, "loop": 20, "program": 70}, {"streams": 20, "loop": 20, "program": 40}]


def results_of(after: list[Sample]) -> Results:
    by_contender = {"asyncio": samples(*[100.0] * 6), "sluiceway": after}
    return Results("redis", {"commit": "0" * 40}, {}, by_contender, {}, RAW, PROFILES)


def test_saving_is_share_of_what_profile_and_floor_allow() -> None:
    result = saving(samples(*[100.0] * 6), samples(*[88.0] * 6), RAW, PROFILES, "operation")
    assert result is not None
    assert result.samples == 200
    assert result.groups == {"streams": 0.25, "loop": 0.2, "program": 0.55}
    assert result.floor == pytest.approx(0.4)
    assert result.can_be_saved == pytest.approx(0.15)
    assert result.was_saved == pytest.approx(0.12)
    assert result.saved.median == pytest.approx(0.8)


@pytest.mark.parametrize("missing_input", ["before", "after", "raw", "profiles"])
def test_missing_measurement_gives_no_saving(missing_input: str) -> None:
    inputs = {"before": samples(1.0), "after": samples(1.0), "raw": RAW, "profiles": PROFILES}
    inputs[missing_input] = type(inputs[missing_input])()
    assert saving(*inputs.values(), "operation") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "ending"),
    [
        ([88.0] * 6, "**met**"),
        ([95.0] * 6, "**MISSED**"),
        ([110.0] * 6, "**MISSED**"),
        ([88.0, 88.0, 88.0, 88.0, 88.0, 95.0], "**met, within the interval**"),
        ([95.0, 95.0, 95.0, 95.0, 95.0, 88.0], "**MISSED, within the interval**"),
    ],
)
def test_saving_target_is_judged_by_interval(after: list[float], ending: str) -> None:
    *_, line = report.saved(results_of(samples(*after)), scenario_named("redis"))
    assert line.endswith(f"target at least 0.6: {ending}")


def test_floor_and_profile_are_saved_with_result(tmp_path: pathlib.Path) -> None:
    saved = results_of(samples(*[88.0] * 6))
    saved.save(tmp_path)
    assert results.load_all(tmp_path) == {"redis": saved}


@pytest.fixture(scope="module")
def sampling_module() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("sampling_under_test", HERE / "sampling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def group_of_stack(sampling_module: types.ModuleType, *files: str) -> str:
    """Return the group of a sample whose frames, outermost first, are of functions in these files."""
    result: list[str] = []

    def innermost() -> None:
        frame = sys._getframe(1)
        result.append(sampling_module.group_of(frame))

    call: Callable[[], None] = innermost
    for path in reversed(files):
        names: dict[str, object] = {"call": call}
        exec(compile("def frame():\n    call()\n", path, "exec"), names)
        call = names["frame"]  # type: ignore[assignment]
    call()
    return result[0]


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
def test_sample_belongs_to_group_of_innermost_classified_frame(
    sampling_module: types.ModuleType, files: tuple[str, ...], group: str
) -> None:
    assert group_of_stack(sampling_module, *files) == group
