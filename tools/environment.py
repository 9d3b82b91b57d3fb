"""Create the virtual environment .venv/X.Y with this project and one of its extras, and print its bin directory.

Usage: python tools/environment.py EXTRA

The environment uses the running interpreter. It is created again only if pyproject.toml or the interpreter has changed.
The compiled parts are rebuilt if their sources have changed. The script needs only the standard library.
"""

import contextlib
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"
# Seconds between two lines of progress.
PROGRESS_INTERVAL = 5.0


class SetupError(Exception):
    """The environment cannot be created. The message is one line for the user."""


def check_interpreter() -> None:
    """Raise SetupError if this interpreter cannot create an environment. The message names the package to install."""
    series = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = [name for name in ("venv", "ensurepip", "ssl") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"{sys.executable} lacks {' and '.join(missing)}. Debian: apt-get install python{series}-venv "
            "(or python3-venv)"
        )


def fingerprint() -> str:
    """Return one line that contains everything the environment depends on."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{project} {sys.version_info[:3]} {sysconfig.get_platform()} {os.path.realpath(sys.executable)} {ROOT}"


def source_hash() -> str:
    """Return a hash of the sources of the compiled parts, which are rebuilt if it changes."""
    package = ROOT / "src" / "sluiceway"
    sources = sorted(
        path for kind in ("_core/*.py", "_core_c/*.p[xy]*", "_transports/epoll/*.p[xy]*") for path in package.glob(kind)
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in [ROOT / "setup.py", *sources])).hexdigest()


def environment(extra: str) -> pathlib.Path:
    """Return the bin directory of an environment with the project and ``extra``. Creates it if necessary."""
    variant = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    home = ROOT / ".venv" / f"{sys.version_info.major}.{sys.version_info.minor}{variant}"
    bin_directory = home / ("Scripts" if WINDOWS else "bin")
    fingerprint_file = home / "sluiceway-made-for"
    extra_file = home / f"sluiceway-has-{extra}"
    current = fingerprint()

    if not fingerprint_file.exists() or fingerprint_file.read_text() != current:
        check_interpreter()
        if home.exists():
            shutil.rmtree(home)
        log(f"creating {home.relative_to(ROOT)} with {sys.executable}")
        venv.create(home, with_pip=True, symlinks=not WINDOWS)
        fingerprint_file.write_text(current)
    build = source_hash()
    if not extra_file.exists() or extra_file.read_text() != build:
        log(f"installing sluiceway[{extra}] into {home.relative_to(ROOT)}; compiling can take a few minutes")
        install(bin_directory / "python", extra)
        extra_file.write_text(build)
    return bin_directory


def install(python: pathlib.Path, extra: str) -> None:
    """Install the project in editable mode."""
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--editable",
        f"{ROOT}[{extra}]",
    ]
    if run_with_progress(command) != 0:
        hint = ""
        if not any(shutil.which(name) for name in ("cc", "gcc", "clang")) and not WINDOWS:
            hint = "; if a package must be compiled, Debian: apt-get install build-essential python3-dev"
        raise SetupError(f"pip could not install sluiceway[{extra}]{hint}")


def run_with_progress(command: Sequence[str | os.PathLike[str]]) -> int:
    """Run ``command``, and log at intervals how much of the build is done. Returns its exit status.

    The output of the command goes to standard error, because standard output is the result of this script.
    """
    start = time.time()
    translated = compiled = 0
    with tempfile.TemporaryDirectory(prefix="sluiceway-") as directory:
        # pip compiles in a temporary directory, which is this one so that the files can be counted.
        with subprocess.Popen(command, stdout=sys.stderr, env={**os.environ, "TMPDIR": directory}) as process:
            while process.poll() is None:
                try:
                    process.wait(PROGRESS_INTERVAL)
                except subprocess.TimeoutExpired:
                    # setuptools and pip remove files and folders meanwhile.
                    with contextlib.suppress(FileNotFoundError):
                        sources = (ROOT / "build" / "cython").rglob("*.c")
                        translated = sum(path.stat().st_mtime >= start for path in sources)
                        compiled = max(compiled, sum(1 for _ in pathlib.Path(directory).rglob("*.o")))
                    seconds = time.time() - start
                    log(f"  {seconds:.0f} s: {stage(translated, compiled)}")
        return process.returncode


def stage(translated: int, compiled: int) -> str:
    """Return what pip is doing, by the number of files that are translated to C and compiled so far."""
    if compiled:
        return f"{compiled} files compiled; pip installs the packages when all are"
    if translated:
        return f"{translated} files translated to C; pip compiles them when it has fetched all packages"
    return "pip fetches the packages that the build needs"


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(environment(sys.argv[1]))
    except (SetupError, subprocess.CalledProcessError) as error:
        sys.exit(f"sluiceway: {error}")


if __name__ == "__main__":
    main()
