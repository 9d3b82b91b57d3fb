"""Make the virtual environment .venv/X.Y with this project and one of its extras, and print its bin directory.

Usage: python tools/environment.py EXTRA

The running interpreter is the one that the environment is made of. The environment is kept, and made anew when
pyproject.toml or the interpreter has changed; the compiled parts are built anew when their sources have. Nothing
outside the standard library is needed.
"""

import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"


class SetupError(Exception):
    """The environment cannot be made; the message is the one line that the user needs."""


def check_interpreter() -> None:
    """Raise SetupError if this interpreter cannot make an environment, naming what brings the missing part."""
    series = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = [name for name in ("venv", "ensurepip", "ssl") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"{sys.executable} lacks {' and '.join(missing)}. Debian: apt-get install python{series}-venv "
            "(or python3-venv)"
        )


def fingerprint() -> str:
    """Return, as one line, everything that the environment depends on."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{project} {sys.version_info[:3]} {sysconfig.get_platform()} {os.path.realpath(sys.executable)} {ROOT}"


def source_hash() -> str:
    """Return a hash of the sources of the compiled parts: an edited source needs another build."""
    package = ROOT / "src" / "sluiceway"
    sources = sorted(
        path for kind in ("_core/*.py", "_core_c/*.p[xy]*", "_transports/epoll/*.p[xy]*") for path in package.glob(kind)
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in [ROOT / "setup.py", *sources])).hexdigest()


def environment(extra: str) -> pathlib.Path:
    """Return the bin directory of an environment with the project and this extra in it."""
    home = ROOT / ".venv" / f"{sys.version_info.major}.{sys.version_info.minor}"
    bin_directory = home / ("Scripts" if WINDOWS else "bin")
    fingerprint_file = home / "sluiceway-made-for"
    extra_file = home / f"sluiceway-has-{extra}"
    current = fingerprint()

    if not fingerprint_file.exists() or fingerprint_file.read_text() != current:
        check_interpreter()
        if home.exists():
            shutil.rmtree(home)
        log(f"making {home.relative_to(ROOT)} of {sys.executable}")
        venv.create(home, with_pip=True, symlinks=not WINDOWS)
        fingerprint_file.write_text(current)
    build = source_hash()
    if not extra_file.exists() or extra_file.read_text() != build:
        log(f"installing sluiceway[{extra}] into {home.relative_to(ROOT)}")
        install(bin_directory / "python", extra)
        extra_file.write_text(build)
    return bin_directory


def install(python: pathlib.Path, extra: str) -> None:
    """Install the project in place, so that an edited source is what runs."""
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
    # pip's standard output would be taken for the answer of this program
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        hint = ""
        if not any(shutil.which(name) for name in ("cc", "gcc", "clang")) and not WINDOWS:
            hint = "; if a package had to be compiled, Debian: apt-get install build-essential python3-dev"
        raise SetupError(f"pip could not install sluiceway[{extra}]{hint}")


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
