"""``sluiceway run``: what a program sees is what ``python`` would show it, but for asyncio's streams."""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from cli.command_runner import run_command, single_line

PROGRAM = """
import asyncio, json, os, pickle, sys

class Defined:
    pass

print(json.dumps({
    "name": __name__,
    "file": __file__ and os.path.basename(__file__),
    "argv": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
    "path": sys.path[0],
    "main": sys.modules["__main__"].__dict__ is globals(),
    "pickled": type(pickle.loads(pickle.dumps(Defined()))) is Defined,
    "reader": asyncio.StreamReader.__module__,
}))
exec(os.environ.get("THEN", ""))
"""


@pytest.fixture(autouse=True)
def _interpreter_as_before() -> Iterator[None]:
    """The command changes this process as it may change one of its own."""
    argv, path = sys.argv[:], sys.path[:]
    yield
    sys.argv[:], sys.path[:] = argv, path
    sluiceway.uninstall()


@pytest.fixture
def program(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "reported_program.py"
    path.write_text(PROGRAM)
    return path


def expected(path: pathlib.Path, *arguments: str) -> dict[str, Any]:
    return {
        "name": "__main__",
        "file": path.name,
        "argv": [path.name, *arguments],
        "path": str(path.parent),
        "main": True,
        "pickled": True,
        "reader": "sluiceway._asyncio.reader",
    }


def test_program_runs_as_main_on_sluiceway(program: pathlib.Path) -> None:
    result = run_command("run", str(program), "--help", "-m", "--", "x")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == expected(program, "--help", "-m", "--", "x")


def test_module_runs_as_main_on_sluiceway(program: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(program.parent)
    result = run_command("run", "-m", program.stem, "-h", "x")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == expected(program, "-h", "x")


def test_command_line_shows_what_python_shows(program: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one test with processes: sys.path, sys.argv, the traceback and the status of a process of its own."""
    monkeypatch.setenv("THEN", "1 / 0")
    python, ours = (
        subprocess.run(
            [sys.executable, *command, str(program), "x"], capture_output=True, text=True, timeout=50, check=False
        )
        for command in ([], ["-m", "sluiceway.cli", "run"])
    )
    assert (python.returncode, ours.returncode) == (1, 1)
    assert json.loads(ours.stdout) == {**json.loads(python.stdout), "reader": "sluiceway._asyncio.reader"}
    assert ours.stderr == python.stderr


@pytest.mark.parametrize(
    ("then", "status", "stderr"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise BrokenPipeError(32, 'Broken pipe')", 1, "BrokenPipeError: [Errno 32] Broken pipe"),
        ("import click; raise click.ClickException('mine')", 1, "click.exceptions.ClickException: mine"),
        ("import absent_module", 1, "ModuleNotFoundError: No module named 'absent_module'"),
    ],
)
def test_end_of_the_program_is_the_end_of_the_command(
    program: pathlib.Path, monkeypatch: pytest.MonkeyPatch, then: str, status: int, stderr: str
) -> None:
    monkeypatch.setenv("THEN", then)
    result = run_command("run", str(program))
    assert result.exit_code == status
    assert result.stderr.endswith(f"{stderr}\n" if stderr else "")
    assert "run_command.py" not in result.stderr


def test_syntax_error_in_the_program_is_shown(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def\n")
    result = run_command("run", str(path))
    assert result.exit_code == 1
    assert "SyntaxError: invalid syntax" in result.stderr
    assert str(path) in result.stderr
    assert "runpy" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["absent.py"], "sluiceway: run 'absent.py': no such file; a module is run by -m"),
        (["-m"], "sluiceway: run -m: the name of a module is missing"),
        (["-m", "absent_module", "x"], "sluiceway: run absent_module: No module named absent_module"),
        (["-x", "a.py"], "sluiceway: run -x: unknown option; options of the program follow its name"),
    ],
)
def test_what_cannot_be_run_is_named_in_one_line(arguments: list[str], line: str) -> None:
    result = run_command("run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr) == line


def test_doctor_that_is_run_reports_the_installation() -> None:
    result = run_command("run", "-m", "sluiceway.cli", "doctor", "--json")
    assert json.loads(result.stdout)["implementation"]["installed"] is True
