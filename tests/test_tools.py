"""The tools behind the Makefile, where a machine is not as one would wish."""

import os
import pathlib
import subprocess
import sys

import pytest

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "tools"
SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the Makefile and its tools are for POSIX systems")


def run(*command: str | pathlib.Path, **environment: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": "", "HOME": "/nonexistent", **{name: str(value) for name, value in environment.items()}}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture
def shims(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory of commands that exist and only complain, as pyenv's do for a version that is not chosen."""
    directory = tmp_path / "shims"
    directory.mkdir()
    for name in ("python", "python3", *(f"python3.{minor}" for minor in range(20))):
        shim = directory / name
        shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
    return directory


@pytest.fixture
def here(tmp_path: pathlib.Path) -> pathlib.Path:
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


def test_interpreters_that_do_not_run_are_passed_over(shims: pathlib.Path) -> None:
    assert found_interpreters(PATH=shims) == [sys.executable]


def test_each_series_is_found_once(here: pathlib.Path, shims: pathlib.Path) -> None:
    assert found_interpreters(PATH=f"{here}:{shims}:{here}") == [sys.executable]


def test_pyenv_is_looked_through_by_its_root_and_by_its_usual_place(tmp_path: pathlib.Path) -> None:
    later = f"3.{sys.version_info.minor + 1}"
    for root in (tmp_path / "elsewhere", tmp_path / ".pyenv"):
        directory = root / "versions" / f"{later}.0" / "bin"
        directory.mkdir(parents=True)
        # Stands in for another version: it answers the one question that interpreters.py asks.
        (directory / f"python{later}").write_text(f"#!/bin/sh\necho 1 1 {later.replace('.', ' ')} 0\n")
        (directory / f"python{later}").chmod(0o755)
    name = f"versions/{later}.0/bin/python{later}"
    assert found_interpreters(PYENV_ROOT=tmp_path / "elsewhere") == [sys.executable, f"{tmp_path}/elsewhere/{name}"]
    assert found_interpreters(HOME=tmp_path) == [sys.executable, f"{tmp_path}/.pyenv/{name}"]


def test_interpreters_of_an_incomplete_debian_root_are_passed_over(tmp_path: pathlib.Path) -> None:
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "python3.15").symlink_to(sys.executable)
    assert found_interpreters(PATH=tmp_path, SLUICEWAY_DEBIAN_ROOT=tmp_path) == [sys.executable]


def test_a_program_in_the_debian_root_keeps_its_directory_and_starts_peers_outside(tmp_path: pathlib.Path) -> None:
    own = {name: os.environ[name] for name in ("PATH", "HOME", "SLUICEWAY_DEBIAN_ROOT") if name in os.environ}
    question = "import debian_root; debian_root.usable() or exit(1)"
    if run(sys.executable, "-c", question, PYTHONPATH=TOOLS, **own).returncode != 0:
        pytest.skip("no Debian root here (tools/debian_root.py make, as root on Debian)")
    (tmp_path / "given").write_text("outside")
    script = f'pwd; cat "{tmp_path}/given"; echo; cat /etc/debian_version; git --version'
    inside = run(sys.executable, TOOLS / "debian_root.py", "run", "sh", "-c", script, **own).stdout.splitlines()
    assert inside[:2] == [os.getcwd(), "outside"]
    assert inside[2].startswith("forky")
    assert inside[3] == run("git", "--version", **own).stdout.strip()


def test_the_first_python_that_runs_is_chosen(shims: pathlib.Path, here: pathlib.Path) -> None:
    result = run("/bin/sh", TOOLS / "find_python.sh", PATH=f"{shims}")
    assert (result.returncode, result.stdout) == (1, "")
    assert "apt-get install python3 python3-venv" in result.stderr
    assert len(result.stderr.splitlines()) == 1

    (here / "python3").symlink_to(f"python{SERIES}")
    result = run("/bin/sh", TOOLS / "find_python.sh", PATH=here)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, f"{here}/python3", "")


def environment_without(module: str, directory: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run environment.py from a copy of the project's skeleton, with a module that cannot be found."""
    (directory / "tools").mkdir()
    (directory / "tools" / "environment.py").write_text((TOOLS / "environment.py").read_text())
    (directory / "pyproject.toml").write_text("")
    script = (
        f"import runpy, sys; sys.modules[{module!r}] = None;"
        "sys.argv = ['environment.py', 'test']; runpy.run_path('tools/environment.py', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=directory, capture_output=True, text=True, timeout=50, check=False
    )


def test_a_missing_ensurepip_is_told_in_one_line(tmp_path: pathlib.Path) -> None:
    result = environment_without("ensurepip", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"sluiceway: {sys.executable} lacks ensurepip. Debian: apt-get install python{SERIES}-venv (or python3-venv)"
    ]
    assert not (tmp_path / ".venv").exists()
