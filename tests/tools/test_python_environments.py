"""The tools of the Makefile on machines with missing or broken interpreters."""

import importlib
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

from support.timeouts import PROCESS_TIMEOUT

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Makefile and its tools are for POSIX systems")


def run(*command: str | pathlib.Path, **environment: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "", "HOME": "/nonexistent", **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PROCESS_TIMEOUT, check=False)


@pytest.fixture
def shims(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory of commands that exist but fail, like pyenv's for versions that are not selected."""
    directory = tmp_path / "shims"
    directory.mkdir()
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(20))):
        shim = directory / name
        shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
    return directory


@pytest.fixture
def interpreter_directory(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with the interpreter of this run, under its versioned name."""
    directory = tmp_path / "here"
    directory.mkdir()
    (directory / f"python{SERIES}").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (directory / f"python{SERIES}").chmod(0o755)
    return directory


def found_interpreters(**environment: str | pathlib.Path) -> list[str]:
    environment.setdefault("SLUICEWAY_DEBIAN_ROOT", "/nonexistent")
    result = run(sys.executable, TOOLS / "interpreters.py", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split()


def test_interpreters_that_do_not_run_are_left_out(shims: pathlib.Path) -> None:
    assert found_interpreters(PATH=shims) == [sys.executable]


def test_each_python_series_is_listed_once(interpreter_directory: pathlib.Path, shims: pathlib.Path) -> None:
    assert found_interpreters(PATH=f"{interpreter_directory}:{shims}:{interpreter_directory}") == [sys.executable]


def test_pyenv_versions_are_found_by_pyenv_root_and_in_home(tmp_path: pathlib.Path) -> None:
    later = f"3.{sys.version_info.minor + 1}"
    for root in (tmp_path / "elsewhere", tmp_path / ".pyenv"):
        directory = root / "versions" / f"{later}.0" / "bin"
        directory.mkdir(parents=True)
        # Replaces another version: it prints what interpreters.py needs.
        (directory / f"python{later}").write_text(f"#!/bin/sh\necho 1 1 {later.replace('.', ' ')} 0\n")
        (directory / f"python{later}").chmod(0o755)
    name = f"versions/{later}.0/bin/python{later}"
    assert found_interpreters(PYENV_ROOT=tmp_path / "elsewhere") == [sys.executable, f"{tmp_path}/elsewhere/{name}"]
    assert found_interpreters(HOME=tmp_path) == [sys.executable, f"{tmp_path}/.pyenv/{name}"]


def test_interpreters_of_incomplete_debian_root_are_left_out(tmp_path: pathlib.Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "python3.15").symlink_to(sys.executable)
    assert found_interpreters(PATH=tmp_path, SLUICEWAY_DEBIAN_ROOT=tmp_path) == [sys.executable]


def test_program_in_debian_root_keeps_directory_and_runs_programs_outside(tmp_path: pathlib.Path) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "SLUICEWAY_DEBIAN_ROOT") if name in os.environ}
    script = "import debian_root; debian_root.usable() or exit(1)"
    if run(sys.executable, "-c", script, PYTHONPATH=TOOLS, **inherited).returncode != 0:
        pytest.skip("no Debian root here (tools/debian_root.py make, as root on Debian)")
    (tmp_path / "given").write_text("outside")
    script = f'pwd; cat "{tmp_path}/given"; echo; cat /etc/debian_version; git --version'
    output = run(sys.executable, TOOLS / "debian_root.py", "run", "sh", "-c", script, **inherited).stdout.splitlines()
    assert output[:2] == [os.getcwd(), "outside"]
    assert output[2].startswith("forky")
    assert output[3] == run("git", "--version", **inherited).stdout.strip()


def test_first_python_that_runs_is_selected(shims: pathlib.Path, interpreter_directory: pathlib.Path) -> None:
    result = run("/bin/sh", TOOLS / "find_python.sh", PATH=f"{shims}")
    assert (result.returncode, result.stdout) == (1, "")
    assert "apt-get install python3 python3-venv" in result.stderr
    assert len(result.stderr.splitlines()) == 1

    (interpreter_directory / "python3").symlink_to(f"python{SERIES}")
    result = run("/bin/sh", TOOLS / "find_python.sh", PATH=interpreter_directory)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, f"{interpreter_directory}/python3", "")


def environment_without(module: str, directory: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run environment.py in a copy of the project's skeleton, with a module that cannot be imported."""
    (directory / "tools").mkdir()
    (directory / "tools" / "environment.py").write_text((TOOLS / "environment.py").read_text())
    (directory / "pyproject.toml").write_text("")
    script = (
        f"import runpy, sys; sys.modules[{module!r}] = None;"
        "sys.argv = ['environment.py', 'test']; runpy.run_path('tools/environment.py', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )


def test_missing_ensurepip_is_reported_in_one_line(tmp_path: pathlib.Path) -> None:
    result = environment_without("ensurepip", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"sluiceway: {sys.executable} lacks ensurepip. Debian: apt-get install python{SERIES}-venv (or python3-venv)"
    ]
    assert not (tmp_path / ".venv").exists()


def test_progress_is_logged_while_installation_runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specification = importlib.util.spec_from_file_location("environment", TOOLS / "environment.py")
    assert specification is not None
    assert specification.loader is not None
    environment: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(environment)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    lines = []

    def log(line: str) -> None:
        if not lines:
            # The installation ends after the first line.
            fifo.write_text("")
        lines.append(line)

    monkeypatch.setattr(environment, "PROGRESS_INTERVAL", 0.01)
    monkeypatch.setattr(environment, "log", log)
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).read_text(); sys.exit(3)"
    assert environment.run_with_progress([sys.executable, "-c", code, str(fifo)]) == 3
    assert re.fullmatch(r"  \d+ s: (pip fetches|\d+ files translated to C; pip compiles) .+", lines[0])


def test_source_that_the_mirror_does_not_have_is_reported_before_anything_is_installed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    free_threaded: Any = importlib.import_module("free_threaded")
    commands = []

    def command(*line: str, timeout: float = 0) -> None:
        commands.append(line)
        if "download" in line:
            raise free_threaded.RootError("404")

    monkeypatch.setattr(free_threaded, "command", command)
    message = r"^cannot download the source of Python 3\.14, .* the mirror had only that of 3\.13$"
    with pytest.raises(free_threaded.RootError, match=message):
        free_threaded.build("3.14", tmp_path)
    assert [line for line in commands if "install" in line] == []
