"""The documentation site, built once in a run of pytest, for all tests that take ``site``.

It is built as ``make docs`` does it, into a temporary folder; a warning fails the tests. Without Sphinx (extra
``docs``) they are skipped.
"""

import fcntl
import importlib.util
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from support.external_programs import skip_missing

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Seconds for a build, which takes six: the machine may be busy.
PATIENCE = 400


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Return a folder that ``make`` has filled, in the first of pytest's processes that needs it."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / name
        if not folder.exists():
            unfinished = factory.mktemp(name)
            make(unfinished)
            unfinished.rename(folder)
    return folder


def build(folder: pathlib.Path) -> None:
    options = ("-W", "--keep-going", "--quiet", "-b", "html", "-d", folder / "doctrees")
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ROOT / "docs", folder / "html"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Build the site, and return its folder."""
    if importlib.util.find_spec("sphinx") is None:
        skip_missing("sphinx is not installed (extra docs)")
    return make_once(tmp_path_factory, "site", build) / "html"
