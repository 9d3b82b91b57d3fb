"""Programs, not installable from PyPI, that some tests communicate with.

Where one is missing the test is skipped, naming the Debian package; under SLUICEWAY_REQUIRE_PEERS=1 it fails.
"""

import os
import shutil
import subprocess
from typing import NoReturn

import pytest


def skip_missing(what: str) -> NoReturn:
    """Skip the running test with ``what`` as the reason, or fail it where skips are not allowed."""
    if os.environ.get("SLUICEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(f"{what}, and SLUICEWAY_REQUIRE_PEERS=1 allows no skip", pytrace=False)
    pytest.skip(what)


def require_program(name: str, package: str | None = None) -> str:
    """Return the path of a program, or skip the running test naming the Debian package that brings it.

    ``package`` is the program's name where nothing else is said.
    """
    # Debian keeps servers where only root's PATH looks.
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        skip_missing(f"{name} is not installed (Debian package {package or name})")
    return found


def environment_without_preload() -> dict[str, str]:
    """Return the environment for a program that is not Python: without what ``make sanitize`` loads into every process,
    which curl does not survive."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def require_headers(name: str, package: str) -> None:
    """Skip the running test, naming the Debian package, unless the compiler finds this header."""
    command = [require_program("gcc"), "-E", "-x", "c", "-include", name, "-o", os.devnull, os.devnull]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        skip_missing(f"{name} is not installed (Debian package {package})")
