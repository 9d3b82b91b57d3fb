"""The interpreter's own tests of asyncio, in a process of their own, with sluiceway under asyncio's names or without.

This file is also the program of that process: its arguments are a JSON object, its last line of output another.
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

# What a test must name to be about streams; the modules given with "*" are taken whole.
STREAM_NAMES = re.compile(
    r"\b(StreamReader|StreamReaderProtocol|StreamWriter|start_server|start_unix_server"
    r"|open_connection|open_unix_connection|create_subprocess_exec|create_subprocess_shell)\b"
)

# Seconds for one class's tests, before the process says where it hangs and is taken to have failed.
PROCESS_TIMEOUT = 150


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one test: "passed", "skipped" or "failed", and why."""

    outcome: str
    detail: str = ""


def list_tests(*, install: bool, modules: dict[str, str]) -> list[str]:
    """Return the ids of the tests in ``modules`` ({name: regular expression for the class, or "*" for all there is}).

    Of modules that are not taken whole, those tests that name streams in their source; none that the interpreter
    keeps for another platform.
    """
    return list(_ask({"do": "list", "install": install, "modules": modules}))


def run_tests(tests: list[str], *, install: bool, environment: dict[str, str] | None = None) -> dict[str, Result]:
    """Run these tests in one process; those that it did not get to have no result."""
    answer = _ask({"do": "run", "install": install, "tests": tests}, environment or {})
    return {name: Result(*result) for name, result in answer.items()}


def _ask(question: dict[str, Any], environment: dict[str, str] | None = None) -> Any:
    from support.package import package_directory

    path = os.pathsep.join([str(package_directory().parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-P", __file__, json.dumps(question)],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PROCESS_TIMEOUT,
        check=False,
    )
    lines = done.stdout.splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise RuntimeError(f"the process ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}")
    return json.loads(lines[-1])


# -- inside the process -----------------------------------------------------------------------------------------------


class _Recorder(unittest.TestResult):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, tuple[str, str]] = {}

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().stopTest(test)
        # A failed test leaves connections in its traceback; the next test would see the warnings about them.
        with warnings.catch_warnings(action="ignore"):
            gc.collect()

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        self.found.setdefault(test.id(), ("passed", ""))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802 - unittest's name
        self.found[test.id()] = ("skipped", reason)

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        self.found[test.id()] = ("failed", "".join(traceback.format_exception(*err)))

    addFailure = addError  # noqa: N815 - unittest's name

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        if err is not None:
            self.addError(test, err)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        self.found[test.id()] = ("failed", "unexpected success")


def _cases(module: types.ModuleType) -> Iterator[unittest.TestCase]:
    waiting = [unittest.defaultTestLoader.loadTestsFromModule(module)]
    while waiting:
        for test in waiting.pop(0):
            if isinstance(test, unittest.TestSuite):
                waiting.append(test)
            elif isinstance(test, unittest.TestCase):
                yield test


def _list(modules: dict[str, str]) -> dict[str, None]:
    found = []
    for name, wanted in modules.items():
        for case in _cases(importlib.import_module(name)):
            method = getattr(type(case), case._testMethodName)
            if getattr(type(case), "__unittest_skip__", False) or getattr(method, "__unittest_skip__", False):
                continue
            method = inspect.unwrap(method)
            if wanted == "*" or (
                re.fullmatch(wanted, type(case).__name__) and STREAM_NAMES.search(inspect.getsource(method))
            ):
                found.append(case.id())
    return dict.fromkeys(sorted(found))


def _run(tests: list[str]) -> dict[str, tuple[str, str]]:
    recorder = _Recorder()
    faulthandler.dump_traceback_later(PROCESS_TIMEOUT, exit=True)
    unittest.defaultTestLoader.loadTestsFromNames(tests).run(recorder)
    faulthandler.cancel_dump_traceback_later()
    return recorder.found


def main() -> None:
    question = json.loads(sys.argv[1])
    if question["install"]:
        import sluiceway

        sluiceway.install()
    output, sys.stdout = sys.stdout, io.StringIO()
    answer = _list(question["modules"]) if question["do"] == "list" else _run(question["tests"])
    output.write("\n" + json.dumps(answer) + "\n")
    output.flush()


if __name__ == "__main__":
    main()
