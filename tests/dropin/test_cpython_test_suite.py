"""The interpreter's own tests of asyncio's streams, with sluiceway under asyncio's names (contract S12).

Each of their methods is one test here; a class's methods share a process. differences.toml has those that do not pass.
"""

import contextlib
import fcntl
import functools
import importlib.util
import json
import pathlib
import sys
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from dropin import cpython_tests
from dropin.cpython_tests import Result
from support import external_programs

pytestmark = pytest.mark.timeout(3 * cpython_tests.PROCESS_TIMEOUT)

# One of the classes that differ in the child watcher alone is enough: all of them use the same streams.
MODULES = {
    "test.test_asyncio.test_streams": "*",
    "test.test_asyncio.test_server": ".*",
    "test.test_asyncio.test_subprocess": "SubprocessThreadedWatcherTests",
    "test.test_asyncio.test_ssl": ".*",
    "test.test_asyncio.test_sslproto": ".*",
    "test.test_asyncio.test_pep492": ".*",
    "test.test_asyncio.test_buffered_proto": ".*",
    "test.test_asyncio.test_base_events": ".*",
}
MODES = {"plain": {}, "debug": {"PYTHONASYNCIODEBUG": "1"}}
IN_DEBUG_MODE_TOO = "test.test_asyncio.test_streams."
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def shipped() -> bool:
    # Debian leaves most of the package out, and keeps its name.
    try:
        return importlib.util.find_spec("test.test_asyncio") is not None
    except ModuleNotFoundError:
        return False


@functools.cache
def shipped_tests() -> list[str]:
    return cpython_tests.list_tests(install=True, modules=MODULES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "interpreters_test" in metafunc.fixturenames:
        tests = shipped_tests() if shipped() else []
        pairs = [(test, "plain") for test in tests]
        pairs += [(test, "debug") for test in tests if test.startswith(IN_DEBUG_MODE_TOO)]
        ids = [f"{test.removeprefix('test.test_asyncio.')}-{mode}" for test, mode in pairs]
        metafunc.parametrize(("interpreters_test", "mode"), pairs, ids=ids)


@functools.cache
def differences() -> dict[str, dict[str, Any]]:
    """What differences.toml says for this version of Python."""
    text = pathlib.Path(__file__).with_name("differences.toml").read_text(encoding="utf-8")
    listed = tomllib.loads(text)["difference"]
    return {entry["test"]: entry for entry in listed if VERSION in entry.get("versions", [VERSION])}


@pytest.fixture(scope="session")
def results_of(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    """Run the class of a test once, whichever of several pytest workers asks first."""
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent

    @functools.cache
    def run(group: str, mode: str) -> dict[str, Any]:
        kept = shared / f"{group}-{mode}.json"
        with open(kept.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                tests = [test for test in shipped_tests() if group_of(test) == group]
                found = cpython_tests.run_tests(tests, install=True, environment=MODES[mode])
                kept.write_text(json.dumps({name: (one.outcome, one.detail) for name, one in found.items()}))
            return {name: Result(*one) for name, one in json.loads(kept.read_text()).items()}

    return run


def group_of(test: str) -> str:
    return test.rpartition(".")[0]


def test_the_interpreters_test(interpreters_test: str, mode: str, results_of: Any) -> None:
    """S12: what asyncio's own tests ask of streams holds for sluiceway."""
    result = results_of(group_of(interpreters_test), mode).get(interpreters_test)

    def on_asyncio() -> Result:
        return cpython_tests.run_tests([interpreters_test], install=False, environment=MODES[mode])[interpreters_test]

    judge(result, differences().get(interpreters_test), on_asyncio)


def judge(result: Result | None, difference: dict[str, Any] | None, on_asyncio: Callable[[], Result]) -> None:
    """Pass, skip, expect the failure or fail, according to what is listed and, for a failure, what asyncio does."""
    assert result is not None, "the process did not get to this test"
    if result.outcome == "skipped":
        pytest.skip(f"the interpreter's own condition: {result.detail}")
    if result.outcome == "passed":
        assert difference is None, "it passes now: take it out of differences.toml"
        return
    if difference is not None:
        pytest.xfail(f"{difference['contract']}: {difference['reason']}")
    if on_asyncio().outcome == "failed":
        pytest.xfail(f"asyncio itself fails it here; sluiceway: {result.detail.strip().splitlines()[-1]}")
    pytest.fail(result.detail, pytrace=False)


PASSED, FAILED = Result("passed"), Result("failed", "Traceback …")
LISTED = {"contract": "X5", "reason": "…"}


@pytest.mark.parametrize(
    ("result", "difference", "reference", "verdict"),
    [
        (PASSED, None, PASSED, None),
        (FAILED, None, PASSED, pytest.fail.Exception),
        (FAILED, None, FAILED, pytest.xfail.Exception),
        (FAILED, LISTED, PASSED, pytest.xfail.Exception),
        (PASSED, LISTED, PASSED, AssertionError),
        (Result("skipped", "…"), None, PASSED, pytest.skip.Exception),
        (None, None, PASSED, AssertionError),
        (None, LISTED, PASSED, AssertionError),
    ],
)
def test_nothing_but_a_listed_difference_may_fail_and_a_listed_difference_must(
    result: Result | None, difference: dict[str, str] | None, reference: Result, verdict: type[BaseException] | None
) -> None:
    expectation = contextlib.nullcontext() if verdict is None else pytest.raises(verdict)
    with expectation:
        judge(result, difference, lambda: reference)


def test_the_interpreter_ships_its_tests() -> None:
    """The drop-in proof is one only where there is something to run."""
    if not shipped():
        external_programs.skip_missing(
            f"this Python {VERSION} comes without its tests (Debian package libpython{VERSION}-testsuite)"
        )
    tests = shipped_tests()
    for module in MODULES:
        assert any(test.startswith(module + ".") for test in tests), f"no test of {module} is about streams"


def test_every_listed_difference_is_one_of_the_interpreters_tests() -> None:
    if not shipped():
        external_programs.skip_missing(
            f"this Python {VERSION} comes without its tests (Debian package libpython{VERSION}-testsuite)"
        )
    for test, difference in differences().items():
        assert test in shipped_tests()
        assert difference["contract"]
        assert difference["reason"]
