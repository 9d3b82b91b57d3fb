"""Find one CPython of each version X.Y from 3.11 on, and print their paths, one per line.

The sources are the running interpreter, python3.N on PATH, pyenv's versions, and, for a version that none of these has,
the Debian root that debian_root.py creates. Skipped are programs named python3.N that do not run or have another
version, pre-releases, and free-threaded builds.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import debian_root

OLDEST = (3, 11)

# Seconds for an interpreter to report its version. A network file system may be slow, and a wrapper may hang.
PROBE_TIMEOUT = 20

PROBE = """
import importlib.util, os, sys, sysconfig
plain = (sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
    and not sysconfig.get_config_var("Py_GIL_DISABLED"))
whole = all(importlib.util.find_spec(name) for name in ("ssl", "venv", "ensurepip"))
print(int(plain), int(whole), *sys.version_info[:3])
"""


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """An interpreter. ``entry``: the command that enters the Debian root if ``path`` is inside it, else empty."""

    path: pathlib.Path
    entry: tuple[str, ...] = ()

    def command(self, *arguments: str | pathlib.Path) -> list[str]:
        """Return the command that runs the interpreter with these arguments."""
        return [*self.entry, str(self.path), *map(str, arguments)]

    def __str__(self) -> str:
        return f"{self.path} in {debian_root.location()}" if self.entry else str(self.path)


def candidates() -> Iterator[pathlib.Path]:
    """Yield the candidates, the running interpreter first."""
    yield pathlib.Path(sys.executable)
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    places = [pathlib.Path(place) for place in os.get_exec_path()]
    places += sorted(pyenv.glob("versions/*/bin"))
    for place in places:
        if place.is_dir():
            yield from sorted(path for path in place.iterdir() if re.fullmatch(r"python3\.\d+", path.name))


def identify(interpreter: Interpreter) -> tuple[bool, tuple[int, int, int]] | None:
    """Return whether the interpreter can create virtual environments, and its version. None if it is not usable."""
    try:
        # -I excludes modules of the working directory and of environment variables
        answer = subprocess.run(
            interpreter.command("-I", "-c", PROBE),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT,
            check=True,
        )
        plain, whole, major, minor, micro = map(int, answer.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return (bool(whole), (major, minor, micro)) if plain else None


def interpreters() -> dict[tuple[int, int], Interpreter]:
    """Return the best interpreter of each version X.Y: preferably one that can create environments, then the newest."""
    best: dict[tuple[int, int], tuple[tuple[bool, bool, tuple[int, int, int]], Interpreter]] = {}
    seen = set()
    for path in candidates():
        real = path.resolve()
        if real in seen:
            continue
        seen.add(real)
        if (found := identify(Interpreter(path))) is not None and found[1] >= OLDEST:
            whole, version = found
            rank = (whole, path == pathlib.Path(sys.executable), version)
            if version[:2] not in best or rank > best[version[:2]][0]:
                best[version[:2]] = (rank, Interpreter(path))
    for path in debian_root.pythons():
        inside = Interpreter(path, tuple(debian_root.entry()))
        if (found := identify(inside)) is not None and found[1][:2] not in best:
            best[found[1][:2]] = ((*found[:1], False, found[1]), inside)
    return {series: best[series][1] for series in sorted(best)}


if __name__ == "__main__":
    for found_interpreter in interpreters().values():
        print(found_interpreter)
