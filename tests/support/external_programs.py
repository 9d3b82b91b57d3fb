"""Programs that some tests need and that PyPI does not have.

If one is missing, the test is skipped and the Debian package named; under SLUICEWAY_REQUIRE_PEERS=1 the test fails.
"""

import os
import shutil
import subprocess
from typing import NoReturn

import pytest


def skip_missing(reason: str) -> NoReturn:
    """Skip the running test for this reason, or fail it if skips are not allowed."""
    if os.environ.get("SLUICEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason}, and SLUICEWAY_REQUIRE_PEERS=1 allows no skip", pytrace=False)
    pytest.skip(reason)


def require_program(name: str, package: str | None = None) -> str:
    """Return the path of a program, or skip the running test and name the Debian package that has it.

    ``package`` defaults to the name of the program.
    """
    # Debian installs servers in folders that only root's PATH has.
    search_path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    path = shutil.which(name, path=search_path)
    if path is None:
        skip_missing(f"{name} is not installed (Debian package {package or name})")
    return path


def environment_without_preload() -> dict[str, str]:
    """Return the environment without LD_PRELOAD, which ``make sanitize`` sets for every process and curl does not
    survive.
    """
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def require_headers(name: str, package: str) -> None:
    """Skip the running test, naming the Debian package, unless the compiler finds this header."""
    command = [require_program("gcc"), "-E", "-x", "c", "-include", name, "-o", os.devnull, os.devnull]
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        skip_missing(f"{name} is not installed (Debian package {package})")
