"""Every command ends without a traceback or warning on a closed pipe, a full disk, Ctrl-C and a narrow terminal."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from cli.command_runner import run_on_terminal, single_line, start_command
from support.timeouts import PROCESS_TIMEOUT

COMMAND = [sys.executable, "-W", "error", "-m", "sluiceway"]
QUICK_COMMANDS = (["--help"], ["--version"], ["doctor"], ["doctor", "--json"], ["run", "--help"], ["demo", "--quick"])
each_command = pytest.mark.parametrize("arguments", QUICK_COMMANDS, ids=" ".join)
STYLES = re.compile(r"\x1b\[[0-9;]*m")
COLORS = re.compile(r"\x1b\[[0-9;]*(?:3[0-8]|4[0-8]|9[0-7])[0-9;]*m")


@pytest.fixture(autouse=True)
def temporary_directory(unix_path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", os.path.dirname(unix_path))


@each_command
def test_full_disk_exits_with_1_and_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        program = subprocess.run(
            [*COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
    assert program.returncode == 1
    assert single_line(program.stderr) == "sluiceway: cannot write to standard output: No space left on device"


@pytest.mark.parametrize("lines", [1, 3, 8, 30])
def test_pipe_closed_during_demo_exits_with_1_without_message(lines: int) -> None:
    program = subprocess.Popen([*COMMAND, "demo", "--quick"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stderr is not None
    for _ in range(lines):
        assert program.stdout.readline()
    program.stdout.close()
    error = program.stderr.read()
    program.stderr.close()
    assert (program.wait(PROCESS_TIMEOUT), error) == (1, "")


@pytest.mark.parametrize("arguments", [["doctor"], ["--help"]], ids=" ".join)
def test_closed_pipe_exits_with_1_without_message(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        program = subprocess.run(
            [*COMMAND, *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PROCESS_TIMEOUT,
            check=False,
        )
    assert (program.returncode, program.stderr) == (1, "")


def test_output_error_of_program_under_run_is_that_of_python(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import sys; print('line', flush=True)\n")
    results = []
    for command in ([sys.executable], [*COMMAND, "run"]):
        with open("/dev/full", "wb") as full:
            program = subprocess.run(
                [*command, path], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PROCESS_TIMEOUT, check=False
            )
        results.append((program.returncode, program.stderr))
    assert results[0] == results[1]
    assert "OSError" in results[0][1]


def test_help_on_narrow_terminal_is_wrapped() -> None:
    for arguments in (["--help"], ["headers", "--help"], ["run", "--help"]):
        status, shown = run_on_terminal(*arguments, COLUMNS="40")
        assert status == 0
        assert "Traceback" not in shown
        # A word such as a URL may be longer.
        assert [line for line in shown.split("\r\n") if len(line) > 40 and " " in line.strip()] == []


def test_comparison_of_demo_fits_on_narrow_terminal(unix_path: str) -> None:
    status, shown = run_on_terminal("demo", "--quick", COLUMNS="40", TMPDIR=os.path.dirname(unix_path))
    assert status == 0
    text = STYLES.sub("", shown)
    table = re.search(r"asyncio  sluiceway  ratio.*(?=\r\n  Medians)", text, re.DOTALL)
    assert table is not None, text
    assert "…" not in table[0]
    assert [line for line in table[0].split("\r\n") if len(line.rstrip()) > 40] == []


def test_no_color_removes_all_colors(unix_path: str) -> None:
    environment = {"COLUMNS": "100", "TMPDIR": os.path.dirname(unix_path)}
    status, colored = run_on_terminal("demo", "--quick", **environment)
    assert (status, bool(COLORS.search(colored))) == (0, True)
    status, plain = run_on_terminal("demo", "--quick", NO_COLOR="1", **environment)
    assert (status, COLORS.findall(plain)) == (0, [])


def test_control_c_on_terminal_exits_with_130_without_message(unix_path: str) -> None:
    status, shown = run_on_terminal("demo", interrupt_at=b"Transfer", TMPDIR=os.path.dirname(unix_path))
    assert status == 130
    assert "^C" in shown
    assert not re.search("Traceback|Warning|Error|Aborted", shown), shown


@pytest.mark.parametrize(("program", "name"), [("/usr/bin/sluiceway", "sluiceway"), (None, "python -m sluiceway")])
def test_usage_line_names_the_program_that_was_run(program: str | None, name: str) -> None:
    code = f"import sys; sys.argv[0] = {program!r}; from sluiceway.cli import main; main()"
    command = [sys.executable, *(["-m", "sluiceway"] if program is None else ["-c", code])]
    for arguments, usage in ((["--help"], f"{name} [OPTIONS] COMMAND"), (["doctor", "-h"], f"{name} doctor [OPTIONS]")):
        text = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=PROCESS_TIMEOUT, check=True
        ).stdout
        assert text.startswith(f"Usage: {usage}")


def run_without(package: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in an interpreter that cannot import ``package``."""
    code = f"import sys; sys.modules[{package!r}] = None; from sluiceway.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )


@pytest.mark.parametrize("package", ["click", "rich", "trustme"])
@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]], ids=" ".join)
def test_doctor_needs_no_package_of_the_extra(package: str, arguments: list[str]) -> None:
    expected, error = start_command(*arguments).communicate(timeout=PROCESS_TIMEOUT)
    assert error == ""
    result = run_without(package, *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("click", []),
        ("click", ["headers", "unix:/x"]),
        ("click", ["doctor", "-x"]),
        ("rich", ["demo"]),
        ("trustme", ["demo"]),
    ],
)
def test_missing_package_of_a_command_is_reported_with_the_extra(package: str, arguments: list[str]) -> None:
    result = run_without(package, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert single_line(result.stderr) == (
        f"sluiceway: cannot import {package}; install the extra cli: pip install '.[cli]' in a checkout of sluiceway; "
        "`sluiceway doctor` works without it"
    )


@pytest.mark.parametrize("package", ["rich", "trustme"])
def test_headers_needs_only_click(package: str, unix_path: str) -> None:
    result = run_without(package, "headers", f"unix:{unix_path}")
    assert result.returncode == 1
    assert "no such socket" in single_line(result.stderr)
