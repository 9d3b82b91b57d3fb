"""Run the interpreter's own tests of asyncio in a child process, with sluiceway installed or not.

This file is also the program of the child: its argument is a JSON object, its last line of output another.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import importlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import traceback
import types
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

# A test is about streams if its source has one of these names; modules given with "*" are taken whole.
STREAM_NAMES = re.compile(
    r"\b(StreamReader|StreamReaderProtocol|StreamWriter|start_server|start_unix_server"
    r"|open_connection|open_unix_connection|create_subprocess_exec|create_subprocess_shell)\b"
)

# Seconds for the tests of one class; then the child prints its traceback and ends, and the tests have failed.
CLASS_TIMEOUT = 150


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of one test ("passed", "skipped" or "failed") and its detail."""

    outcome: str
    detail: str = ""


def list_tests(*, install: bool, modules: dict[str, str]) -> list[str]:
    """Return the ids of the tests in ``modules`` ({name: regular expression of the class, or "*" for all tests}).

    Of a module that is not taken whole, only tests that name streams in their source; no tests for other platforms.
    """
    return list(_call_child({"do": "list", "install": install, "modules": modules}))


def run_tests(
    tests: list[str], *, install: bool, environment: dict[str, str] | None = None, timeout: float | None = None
) -> dict[str, Result]:
    """Run these tests in one child process; a test that the child did not reach has no result.

    ``timeout`` in seconds replaces the timeouts in the tests, which are half a minute and more.
    """
    request = {"do": "run", "install": install, "tests": tests, "timeout": timeout}
    response = _call_child(request, environment or {})
    return {name: Result(*result) for name, result in response.items()}


def _call_child(request: dict[str, Any], environment: dict[str, str] | None = None) -> Any:
    from support.package import package_directory

    path = os.pathsep.join([str(package_directory().parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    child = subprocess.run(
        [sys.executable, "-P", __file__, json.dumps(request)],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * CLASS_TIMEOUT,
        check=False,
    )
    lines = child.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise RuntimeError(
            f"the process ended with {child.returncode}:\n{child.stdout[-4000:]}\n{child.stderr[-8000:]}"
        )
    return json.loads(lines[-1])


# -- in the child -----------------------------------------------------------------------------------------------------


class _Recorder(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.results: dict[str, tuple[str, str]] = {}

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().stopTest(test)
        # The traceback of a failed test refers to connections; the next test would get their warnings.
        with warnings.catch_warnings(action="ignore"):
            gc.collect()

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        self.results.setdefault(test.id(), ("passed", ""))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802 - unittest's name
        self.results[test.id()] = ("skipped", reason)

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        self.results[test.id()] = ("failed", "".join(traceback.format_exception(*err)))

    addFailure = addError  # noqa: N815 - unittest's name

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        if err is not None:
            self.addError(test, err)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        self.results[test.id()] = ("failed", "unexpected success")


def _cases(module: types.ModuleType) -> Iterator[unittest.TestCase]:
    suites = [unittest.defaultTestLoader.loadTestsFromModule(module)]
    while suites:
        for test in suites.pop(0):
            if isinstance(test, unittest.TestSuite):
                suites.append(test)
            elif isinstance(test, unittest.TestCase):
                yield test


def _list(modules: dict[str, str]) -> dict[str, None]:
    results = []
    for name, pattern in modules.items():
        for case in _cases(importlib.import_module(name)):
            method = getattr(type(case), case._testMethodName)
            if getattr(type(case), "__unittest_skip__", False) or getattr(method, "__unittest_skip__", False):
                continue
            method = inspect.unwrap(method)
            if pattern == "*" or (
                re.fullmatch(pattern, type(case).__name__) and STREAM_NAMES.search(inspect.getsource(method))
            ):
                results.append(case.id())
    return dict.fromkeys(sorted(results))


def _run(tests: list[str], timeout: float | None) -> dict[str, tuple[str, str]]:
    if timeout is not None:
        # The modules of the tests, which are not imported yet, take their timeouts from here.
        support: Any = importlib.import_module("test.support")
        support.SHORT_TIMEOUT = support.LONG_TIMEOUT = timeout
    recorder = _Recorder()
    faulthandler.dump_traceback_later(CLASS_TIMEOUT, exit=True)
    unittest.defaultTestLoader.loadTestsFromNames(tests).run(recorder)
    faulthandler.cancel_dump_traceback_later()
    return recorder.results


def main() -> None:
    request = json.loads(sys.argv[1])
    if request["install"]:
        import sluiceway

        sluiceway.install()
    output, sys.stdout = sys.stdout, io.StringIO()
    if request["do"] == "list":
        response: dict[str, Any] = _list(request["modules"])
    else:
        response = _run(request["tests"], request["timeout"])
    output.write("\n" + json.dumps(response) + "\n")
    output.flush()


if __name__ == "__main__":
    main()
