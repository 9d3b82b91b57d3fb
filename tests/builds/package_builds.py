"""Build sluiceway as users do: a source distribution, and installations from it, without the network.

``build_sdist`` makes the source distribution; ``install_sdist(sdist, directory, **environment)`` and ``build_wheel(…)``
build from it with pip; ``run_python(directory, …)`` runs Python with the installed package. An environment variable
given as None is removed.

Cython takes several seconds. ``build_compiled_wheel`` translates the sources, and ``copy_translated_sources`` copies
them with the result, for other builds.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile

from support.external_programs import require_program, skip_missing
from support.timeouts import TIMEOUT_SCALE

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Seconds for a build.
BUILD_TIMEOUT = 600 * TIMEOUT_SCALE

# Warnings of the compiler about functions of Python that were removed, changed or deprecated. The compiled wheel is
# built with them as errors.
WARNINGS = (
    "-Werror=implicit-function-declaration",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    "-Werror=deprecated-declarations",
)

# Compiled without optimisation and debugging information, which is faster: nothing built here is measured.
_FAST = ("-O0", "-g0")

_NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.py[cod]", "*.so", "*.egg-info", "build", "dist"
)


def require_compiler() -> None:
    """Skip the running test if C cannot be compiled for this Python."""
    require_program((sysconfig.get_config_var("CC") or "cc").split()[0], "build-essential")
    if not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists():
        skip_missing("Python's headers are not installed (Debian package python3-dev)")


def build_environment(**changes: str | None) -> dict[str, str]:
    """Return this process's environment with these changes, without variables that choose compilers or builds."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLUICEWAY_") and name not in ("CC", "CFLAGS", "PYTHONPATH")
    }
    changed = {"CFLAGS": " ".join(_FAST), **changes}
    return {**inherited, **{name: value for name, value in changed.items() if value is not None}}


def run_command(
    *command: str | pathlib.Path, cwd: pathlib.Path, **changes: str | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=build_environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT,
        check=False,
    )


def build_sdist(directory: pathlib.Path) -> pathlib.Path:
    """Build a source distribution from a copy of the sources, and return its path."""
    source = directory / "source"
    shutil.copytree(ROOT, source, ignore=_NOT_SOURCE)
    script = "import setuptools.build_meta, sys; setuptools.build_meta.build_sdist(sys.argv[1])"
    result = run_command(sys.executable, "-c", script, directory, cwd=source)
    assert result.returncode == 0, result.stderr
    (path,) = directory.glob("*.tar.gz")
    return path


def run_pip(
    *arguments: str | pathlib.Path, cwd: pathlib.Path, **changes: str | None
) -> subprocess.CompletedProcess[str]:
    """Run a command of pip that builds with installed packages and downloads nothing."""
    command, *rest = arguments
    options = ("--quiet", "--no-index", "--no-deps", "--no-cache-dir", "--no-build-isolation")
    return run_command(sys.executable, "-m", "pip", command, *options, *rest, cwd=cwd, **changes)


def install_sdist(source: pathlib.Path, directory: pathlib.Path, **changes: str | None) -> pathlib.Path:
    """Install a source distribution in a folder of its own in ``directory``, and return the folder."""
    target = directory / "installed"
    result = run_pip("install", "--target", target, source, cwd=directory, **changes)
    assert result.returncode == 0, result.stderr
    return target


def build_wheel(source: pathlib.Path, directory: pathlib.Path, **changes: str | None) -> pathlib.Path:
    """Build a wheel of a source distribution in ``directory``, and return its path."""
    result = run_pip("wheel", "--wheel-dir", directory, source, cwd=directory, **changes)
    assert result.returncode == 0, result.stderr
    (path,) = directory.glob("*.whl")
    return path


def build_compiled_wheel(sdist: pathlib.Path, directory: pathlib.Path) -> None:
    """Build a compiled wheel in ``directory``, from the source distribution unpacked in ``directory``/source."""
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    (directory / sdist.name.removesuffix(".tar.gz")).rename(directory / "source")
    flags = " ".join((*_FAST, *WARNINGS))
    build_wheel(directory / "source", directory, SLUICEWAY_BUILD="compiled", CFLAGS=flags)


def copy_translated_sources(wheel: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Copy the sources of the compiled wheel, with their translation to C but nothing compiled; return the copy."""
    return shutil.copytree(
        wheel.parent / "source",
        directory / "source",
        ignore=shutil.ignore_patterns("lib.*", "temp.*", "bdist.*"),
    )


def run_python(installed: pathlib.Path, *arguments: str | pathlib.Path) -> str:
    """Run Python with the package installed in a folder, and return its output."""
    result = run_command(sys.executable, "-W", "error", *arguments, cwd=installed.parent, PYTHONPATH=str(installed))
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout
