"""tools/bench.py measures with an optimised interpreter where there is one."""

import importlib
import pathlib
import sys
import sysconfig
from typing import Any

import pytest

from benchmarks import optimisation

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(TOOLS)
    module: Any = importlib.import_module("bench")
    paths = {(3, minor): module.Interpreter(pathlib.Path(f"/python3.{minor}")) for minor in range(12, 16)}
    monkeypatch.setattr(module, "interpreters", lambda: paths)
    return module


@pytest.mark.parametrize(
    ("optimised", "expected"),
    [
        ((sys.executable, "/python3.14"), sys.executable),
        (("/python3.12", "/python3.14", "/python3.15"), "/python3.14"),
        (("/python3.12", "/python3.15"), "/python3.12"),
        ((), sys.executable),
    ],
)
def test_optimised_interpreter_is_preferred(
    bench: Any, monkeypatch: pytest.MonkeyPatch, optimised: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr(bench, "is_optimised", lambda interpreter: str(interpreter.path) in optimised)
    assert str(bench.chosen().path) == expected


def test_missing_optimised_interpreter_is_reported(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "is_optimised", lambda interpreter: False)
    bench.chosen()
    assert "no optimised interpreter was found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "base_prefix", "expected"),
    [
        ("'--enable-optimizations'", "/opt/python", True),
        ("'--enable-shared'", "/usr", True),
        ("'--enable-shared'", "/opt/python", False),
        (None, "/opt/python", False),
    ],
)
def test_build_of_a_distribution_counts_as_optimised(
    monkeypatch: pytest.MonkeyPatch, options: str | None, base_prefix: str, expected: bool
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: options)
    monkeypatch.setattr(sys, "base_prefix", base_prefix)
    monkeypatch.setattr(sys, "platform", "linux")
    assert optimisation.is_optimised() is expected


def test_probe_of_this_interpreter_runs_without_the_project(bench: Any) -> None:
    assert bench.is_optimised(bench.Interpreter(pathlib.Path(sys.executable))) is optimisation.is_optimised()
