"""``sluiceway run``: the program gets what ``python`` would give it, except for asyncio's streams."""

import json
import logging
import pathlib
import pickle
import subprocess
import sys
import zipapp
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from cli.command_runner import run_command, single_line
from support.timeouts import PROCESS_TIMEOUT

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
def restore_interpreter() -> Iterator[None]:
    """Restore __main__, sys.argv, sys.path and asyncio, which the command changes in this process."""
    main, argv, arguments, path = sys.modules["__main__"], sys.argv, sys.argv[:], sys.path[:]
    yield
    sys.modules["__main__"] = main
    sys.argv = argv
    sys.argv[:], sys.path[:] = arguments, path
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


def test_run_as_process_behaves_as_python(program: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only test with child processes: sys.path, sys.argv, traceback and exit status are those of a real process."""
    monkeypatch.setenv("THEN", "1 / 0")
    python, ours = (
        subprocess.run(
            [sys.executable, *command, str(program), "x"],
            capture_output=True,
            text=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
        for command in ([], ["-m", "sluiceway", "run"])
    )
    assert (python.returncode, ours.returncode) == (1, 1)
    assert json.loads(ours.stdout) == {**json.loads(python.stdout), "reader": "sluiceway._asyncio.reader"}
    assert ours.stderr == python.stderr


@pytest.mark.parametrize("kind", ["file", "directory", "archive"])
def test_program_with_relative_path_gets_absolute_paths(
    program: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As with `python`, so that they are right after os.chdir(). Modules beside a directory are not found.

    Only sys.argv[0] is the path as it was passed.
    """
    monkeypatch.chdir(program.parent)
    target, file = program, program
    if kind != "file":
        target = program.with_name("application")
        file = target / "__main__.py"
        target.mkdir()
        program.rename(file)
    if kind == "archive":
        target = program.with_name("application.zip")
        zipapp.create_archive(file.parent, target)
        file = target / "__main__.py"
    monkeypatch.setenv("THEN", "print(json.dumps([__file__, sys.path, sys.argv, type(sys.argv) is list]))")
    before = sys.path[1:]
    result = run_command("run", target.name, "x")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout.splitlines()[1]) == [
        str(file),
        [str(program.parent if kind == "file" else target), *before],
        [target.name, "x"],
        True,
    ]


@pytest.mark.parametrize("kind", ["file", "module", "directory"])
@pytest.mark.parametrize("end", ["", "sys.exit()"])
def test_main_and_paths_stay_after_the_end_of_the_program(
    program: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kind: str, end: str
) -> None:
    """Threads, executors and exit handlers of the program use them until the process ends."""
    monkeypatch.chdir(program.parent)
    monkeypatch.setenv("THEN", f"ended_argv, ended_path = sys.argv[:], sys.path[:]; {end}")
    arguments = [program.name]
    if kind == "module":
        arguments = ["-m", program.stem]
    elif kind == "directory":
        arguments = ["application"]
        program.parent.joinpath("application").mkdir()
        program.rename(program.parent / "application" / "__main__.py")
    assert run_command("run", *arguments).exit_code == 0
    main = sys.modules["__main__"]
    assert (sys.argv, sys.path) == (main.ended_argv, main.ended_path)
    assert type(pickle.loads(pickle.dumps(main.Defined()))) is main.Defined


def test_program_may_remove_its_name_from_the_arguments(program: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEN", "sys.argv.pop(0); sys.exit(7)")
    result = run_command("run", str(program))
    assert (result.exit_code, result.stderr) == (7, "")


def test_parent_of_a_symbolic_link_is_that_of_its_target(
    program: pathlib.Path, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    other, inner = tmp_path / "other", tmp_path / "application" / "inner"
    other.mkdir()
    inner.mkdir(parents=True)
    program.rename(inner.parent / "__main__.py")
    (other / "link").symlink_to(inner)
    monkeypatch.chdir(other)
    monkeypatch.setenv("THEN", "print(os.path.realpath(sys.path[0]))")
    result = run_command("run", "link/..")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == str(inner.parent.resolve())


@pytest.mark.parametrize(
    ("statement", "status", "stderr"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise BrokenPipeError(32, 'Broken pipe')", 1, "BrokenPipeError: [Errno 32] Broken pipe"),
        ("import click; raise click.ClickException('mine')", 1, "click.exceptions.ClickException: mine"),
        ("import absent_module", 1, "ModuleNotFoundError: No module named 'absent_module'"),
    ],
)
def test_exit_status_and_error_of_program_are_those_of_command(
    program: pathlib.Path, monkeypatch: pytest.MonkeyPatch, statement: str, status: int, stderr: str
) -> None:
    monkeypatch.setenv("THEN", statement)
    result = run_command("run", str(program))
    assert result.exit_code == status
    assert result.stderr.endswith(f"{stderr}\n" if stderr else "")
    assert "run_command.py" not in result.stderr


def test_syntax_error_in_program_is_printed(tmp_path: pathlib.Path) -> None:
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
        (["-c", "pass"], "sluiceway: run has no -c; save the code in a file, and run the file"),
        (["python3", "absent.py"], "sluiceway: run 'python3': no such file; leave out 'python3'"),
        (["absent.py"], "sluiceway: run 'absent.py': no such file; use -m to run a module"),
        (["-m"], "sluiceway: run -m: the module name is missing"),
        (["-m", "absent_module", "x"], "sluiceway: run absent_module: No module named absent_module"),
        (["-x", "a.py"], "sluiceway: run: unknown option -x; options for your program go after the program's name"),
    ],
)
def test_program_that_cannot_run_is_reported_in_one_line(arguments: list[str], line: str) -> None:
    result = run_command("run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert single_line(result.stderr) == line


def test_verbose_run_writes_log_records_to_standard_error(program: pathlib.Path) -> None:
    logger = logging.getLogger("sluiceway")
    level, handlers = logger.level, logger.handlers[:]
    try:
        result = run_command("run", "--verbose", str(program), "--verbose")
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    core_and_engine = f"(core: {sluiceway.IMPLEMENTATION}, engine: {sluiceway.ENGINE})"
    record = f"sluiceway: install(): asyncio's stream names refer to sluiceway {core_and_engine}"
    assert single_line(result.stderr) == record
    assert json.loads(result.stdout) == expected(program, "--verbose")


def test_doctor_under_run_reports_asyncio_replaced() -> None:
    result = run_command("run", "-m", "sluiceway", "doctor", "--json")
    assert json.loads(result.stdout)["implementation"]["asyncio_replaced"] is True
