"""Run pytest on a given source in a child process, with the configuration and conftest of this suite."""

import pathlib
from collections.abc import Callable

import pytest

CONFTEST = pathlib.Path(__file__).parent.with_name("conftest.py")
CONFIGURATION = CONFTEST.parent.parent / "pyproject.toml"

RunPytest = Callable[[str], pytest.RunResult]


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunPytest:
    """Call this with the source of a test file; asyncio, pytest, socket, threading and warnings are imported."""
    monkeypatch.setenv("SLUICEWAY_TEST_LOOPS", "all")
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))

    def run(source: str) -> pytest.RunResult:
        path = pytester.makepyfile("import asyncio, socket, threading, warnings\nimport pytest\n\n" + source)
        return pytester.runpytest_subprocess(
            path, "-s", "-c", str(CONFIGURATION), f"--rootdir={pytester.path}", "-p", "no:cacheprovider"
        )

    return run
