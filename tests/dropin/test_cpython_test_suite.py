"""S12: the interpreter's own tests of asyncio's streams pass with sluiceway installed.

Each of their methods is one test here; the methods of a class share a child process. differences.toml lists those that
do not pass.
"""

import contextlib
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
from support.async_tests import TIMEOUT_OF_KNOWN_FAILURES
from support.shared_folders import make_once

pytestmark = pytest.mark.timeout(3 * cpython_tests.CLASS_TIMEOUT)

# Classes that differ only in the child watcher use the same streams, so one is enough.
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
ALSO_IN_DEBUG_MODE = "test.test_asyncio.test_streams."
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def has_cpython_tests() -> bool:
    # Debian leaves out most of the package but keeps its name.
    try:
        return importlib.util.find_spec("test.test_asyncio") is not None
    except ModuleNotFoundError:
        return False


@functools.cache
def cpython_test_ids() -> list[str]:
    return cpython_tests.list_tests(install=True, modules=MODULES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cpython_test" in metafunc.fixturenames:
        tests = cpython_test_ids() if has_cpython_tests() else []
        pairs = [(test, "plain") for test in tests]
        pairs += [(test, "debug") for test in tests if test.startswith(ALSO_IN_DEBUG_MODE)]
        ids = [f"{test.removeprefix('test.test_asyncio.')}-{mode}" for test, mode in pairs]
        metafunc.parametrize(("cpython_test", "mode"), pairs, ids=ids)


@functools.cache
def differences() -> dict[str, dict[str, Any]]:
    """Return the entries of differences.toml for this version of Python."""
    text = pathlib.Path(__file__).with_name("differences.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)["difference"]
    return {entry["test"]: entry for entry in entries if VERSION in entry.get("versions", [VERSION])}


@pytest.fixture(scope="session")
def class_results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], dict[str, Result]]:
    """Run the tests of a class once, in the first pytest worker that needs them."""

    @functools.cache
    def results(class_id: str, mode: str) -> dict[str, Result]:
        def run(folder: pathlib.Path) -> None:
            found = run_class(class_id, MODES[mode])
            text = json.dumps({name: (result.outcome, result.detail) for name, result in found.items()})
            (folder / "results.json").write_text(text)

        folder = make_once(tmp_path_factory, f"{class_id}-{mode}", run)
        return {name: Result(*result) for name, result in json.loads((folder / "results.json").read_text()).items()}

    return results


def run_class(class_id: str, environment: dict[str, str]) -> dict[str, Result]:
    """Run the tests of a class in a child process, and those with a listed difference in another one.

    The latter may wait until their timeout, so that is short.
    """
    tests = [test for test in cpython_test_ids() if class_of(test) == class_id]
    listed = [test for test in tests if test in differences()]
    others = [test for test in tests if test not in listed]
    found = cpython_tests.run_tests(others, install=True, environment=environment) if others else {}
    if listed:
        found |= cpython_tests.run_tests(
            listed, install=True, environment=environment, timeout=TIMEOUT_OF_KNOWN_FAILURES
        )
    return found


def class_of(test: str) -> str:
    return test.rpartition(".")[0]


def test_cpython_test_passes(cpython_test: str, mode: str, class_results: Any) -> None:
    """S12: what asyncio's own tests require of streams holds for sluiceway."""
    result = class_results(class_of(cpython_test), mode).get(cpython_test)

    def on_asyncio() -> Result:
        return cpython_tests.run_tests([cpython_test], install=False, environment=MODES[mode])[cpython_test]

    check_result(result, differences().get(cpython_test), on_asyncio)


def check_result(result: Result | None, difference: dict[str, Any] | None, on_asyncio: Callable[[], Result]) -> None:
    """Pass, skip, expect the failure or fail, by the listed difference and, for a failure, by the result of asyncio."""
    assert result is not None, "the child process did not reach this test"
    if result.outcome == "skipped":
        pytest.skip(f"the interpreter's own condition: {result.detail}")
    if result.outcome == "passed":
        assert difference is None, "it passes now: remove it from differences.toml"
        return
    if difference is not None:
        pytest.xfail(f"{difference['contract']}: {difference['reason']}")
    if on_asyncio().outcome == "failed":
        pytest.xfail(f"asyncio fails it here too; sluiceway: {result.detail.strip().splitlines()[-1]}")
    pytest.fail(result.detail, pytrace=False)


PASSED, FAILED = Result("passed"), Result("failed", "Traceback …")
DIFFERENCE = {"contract": "X5", "reason": "…"}


@pytest.mark.parametrize(
    ("result", "difference", "reference", "raised"),
    [
        (PASSED, None, PASSED, None),
        (FAILED, None, PASSED, pytest.fail.Exception),
        (FAILED, None, FAILED, pytest.xfail.Exception),
        (FAILED, DIFFERENCE, PASSED, pytest.xfail.Exception),
        (PASSED, DIFFERENCE, PASSED, AssertionError),
        (Result("skipped", "…"), None, PASSED, pytest.skip.Exception),
        (None, None, PASSED, AssertionError),
        (None, DIFFERENCE, PASSED, AssertionError),
    ],
)
def test_unlisted_failure_and_listed_pass_fail(
    result: Result | None, difference: dict[str, str] | None, reference: Result, raised: type[BaseException] | None
) -> None:
    expectation = contextlib.nullcontext() if raised is None else pytest.raises(raised)
    with expectation:
        check_result(result, difference, lambda: reference)


def test_interpreter_has_stream_tests_in_each_module() -> None:
    if not has_cpython_tests():
        external_programs.skip_missing(
            f"this Python {VERSION} comes without its tests (Debian package libpython{VERSION}-testsuite)"
        )
    tests = cpython_test_ids()
    for module in MODULES:
        assert any(test.startswith(module + ".") for test in tests), f"no test of {module} is about streams"


def test_listed_difference_names_cpython_test_contract_and_reason() -> None:
    if not has_cpython_tests():
        external_programs.skip_missing(
            f"this Python {VERSION} comes without its tests (Debian package libpython{VERSION}-testsuite)"
        )
    for test, difference in differences().items():
        assert test in cpython_test_ids()
        assert difference["contract"]
        assert difference["reason"]
