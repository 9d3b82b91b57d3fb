"""The documentation site, built once in a run of pytest, for all tests that take ``site``.

It is built as ``make docs`` does it, into a temporary folder; a warning fails the tests. Without Sphinx (extra
``docs``) they are skipped.
"""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

from support.external_programs import skip_missing
from support.shared_folders import make_once

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Seconds for a build, which takes six: the machine may be busy.
PATIENCE = 400


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
