"""A run of pytest inside a test, with this suite's configuration and conftest, in a process of its own."""

import pathlib
from collections.abc import Callable

import pytest

CONFTEST = pathlib.Path(__file__).parent.with_name("conftest.py")
CONFIGURATION = CONFTEST.parent.parent / "pyproject.toml"

InnerRun = Callable[[str], pytest.RunResult]


@pytest.fixture
def inner_run(pytester: pytest.Pytester) -> InnerRun:
    """Call it with the source of a test file; some imports are there already."""
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))

    def run(source: str) -> pytest.RunResult:
        path = pytester.makepyfile("import asyncio, socket, threading, warnings\nimport pytest\n\n" + source)
        return pytester.runpytest_subprocess(
            path, "-s", "-c", str(CONFIGURATION), f"--rootdir={pytester.path}", "-p", "no:cacheprovider"
        )

    return run
