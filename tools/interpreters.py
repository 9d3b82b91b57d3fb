"""Find every CPython from 3.11 up on this machine, each X.Y once, and print their paths, one per line.

Looked at: the running interpreter, python3.N on PATH, and pyenv's versions. Something that is called python3.N but does
not run, or is another version than its name says, is passed over, as are pre-releases and free-threaded builds.
"""

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

OLDEST = (3, 11)

# Seconds for an interpreter to report its version; a network file system may be slow, a wrapper may hang.
PROBE_TIMEOUT = 20

PROBE = """
import importlib.util, os, sys, sysconfig
plain = (sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
    and not sysconfig.get_config_var("Py_GIL_DISABLED"))
whole = all(importlib.util.find_spec(name) for name in ("ssl", "venv", "ensurepip"))
print(int(plain), int(whole), *sys.version_info[:3])
"""


def candidates() -> Iterator[pathlib.Path]:
    """Yield whatever might be an interpreter, the running one first."""
    yield pathlib.Path(sys.executable)
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    places = [pathlib.Path(place) for place in os.get_exec_path()]
    places += sorted(pyenv.glob("versions/*/bin"))
    for place in places:
        if place.is_dir():
            yield from sorted(path for path in place.iterdir() if re.fullmatch(r"python3\.\d+", path.name))


def identify(path: pathlib.Path) -> tuple[bool, tuple[int, int, int]] | None:
    """Return whether the interpreter can make virtual environments, and its version; None if it is of no use."""
    try:
        # -I: what a directory or an environment variable adds is not the interpreter's own
        answer = subprocess.run(
            [path, "-I", "-c", PROBE],
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


def interpreters() -> dict[tuple[int, int], pathlib.Path]:
    """Return the best interpreter of each series, in order: one that can make environments, then the newest."""
    best: dict[tuple[int, int], tuple[tuple[bool, bool, tuple[int, int, int]], pathlib.Path]] = {}
    seen = set()
    for path in candidates():
        real = path.resolve()
        if real in seen:
            continue
        seen.add(real)
        if (found := identify(path)) is not None and found[1] >= OLDEST:
            whole, version = found
            rank = (whole, path == pathlib.Path(sys.executable), version)
            if version[:2] not in best or rank > best[version[:2]][0]:
                best[version[:2]] = (rank, path)
    return {series: best[series][1] for series in sorted(best)}


if __name__ == "__main__":
    for found_path in interpreters().values():
        print(found_path)
