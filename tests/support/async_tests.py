"""Run each ``async def test_…`` once on each kind of loop, with leak checks.

Markers:
    loops("asyncio", "uvloop"): run on these kinds only.

Fixtures:
    loop_kind: the kind this test runs on; a plain function that takes it is parametrized as well.
    loop_errors: the contexts passed to the loop's exception handler. A test that expects some inspects and clears the
        list; contexts left in it fail the test.
    cleanup: a contextlib.ExitStack that is closed after the loop and before the leak checks.
"""

import contextlib
import gc
import inspect
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import external_programs, implementations, leak_checks, loops
from support.timeouts import TEST_TIMEOUT, TIMEOUT_SCALE

# A test that the reference is known to fail may hang there, once on each loop.
TIMEOUT_OF_KNOWN_FAILURES = 1.0 * TIMEOUT_SCALE

# Objects made by imports and reports during the run need not be scanned by the leak checks of later tests.
TESTS_BETWEEN_FREEZES = 25
_tests_run = itertools.count(1)

# "default": one loop for each test; "others": all but that one, and no test without a loop; "all".
LOOPS = os.environ.get("SLUICEWAY_TEST_LOOPS", "all")

_FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "loops(*kinds): the kinds of loop to run on, when not all")


def pytest_collection_finish() -> None:
    # The leak checks collect garbage after every test; objects made before the tests need not be scanned.
    gc.collect()
    gc.freeze()


def _inner(function: object) -> object:
    """Return the test function inside hypothesis's wrapper, or the function itself."""
    return getattr(getattr(function, "hypothesis", None), "inner_test", function)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    in_a_test_file = isinstance(collector, pytest.Module | pytest.Class)
    if in_a_test_file and collector.funcnamefilter(name) and inspect.iscoroutinefunction(_inner(obj)):
        pytest.mark.usefixtures("loop_kind")(obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "loop_kind" in metafunc.fixturenames:
        requested = [mark.args for mark in metafunc.definition.iter_markers("loops")]
        unknown = {kind for kinds in requested for kind in kinds} - {"asyncio", "debug", "uvloop", "eager"}
        if unknown:
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: no such kind of loop: {sorted(unknown)}")
        kinds = [kind for kind in loops.LOOP_KINDS if all(kind in kinds for kinds in requested)]
        metafunc.parametrize("loop_kind", _selected_kinds(kinds), indirect=True)


def _selected_kinds(kinds: list[str]) -> list[str]:
    """Return the kinds of loop that LOOPS chooses for a test that allows ``kinds``, whose first is its default."""
    default, others = kinds[:1], kinds[1:]
    if LOOPS == "default":
        return default
    if LOOPS == "others":
        return others
    return kinds


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if LOOPS == "others":
        config.hook.pytest_deselected(items=[item for item in items if not _has_loop(item)])
        items[:] = [item for item in items if _has_loop(item)]


def _has_loop(item: pytest.Item) -> bool:
    # For a test without another loop pytest makes an item whose parameter is not set.
    return hasattr(item, "callspec") and item.callspec.params.get("loop_kind") in loops.LOOP_KINDS


@pytest.fixture
def loop_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    if kind == "uvloop" and not loops.HAS_UVLOOP:
        external_programs.skip_missing("uvloop is not installed (it is in the extra `test`)")
    loops.warm_up(kind)
    return kind


@pytest.fixture
def loop_errors() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def cleanup() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = _inner(pyfuncitem.obj)
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if test is pyfuncitem.obj:
        _run(pyfuncitem, lambda run: run(test(**arguments)))
    else:
        _run_examples(pyfuncitem, test, arguments)
    return True


def _run_examples(item: pytest.Function, test: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Run a hypothesis test: all its examples on one loop."""
    handle = item.obj.hypothesis

    def examples(run: Callable[[Any], None]) -> None:
        handle.inner_test = lambda **kwargs: run(test(**kwargs))
        try:
            item.obj(**arguments)
        finally:
            handle.inner_test = test

    _run(item, examples)


def _run(item: pytest.Function, body: Callable[[Callable[[Any], None]], None]) -> None:
    """Call ``body`` with a function that runs a coroutine on a new loop, and fail if the test leaks."""
    check = leak_checks.LeakCheck(item.funcargs.get("loop_errors", []))
    try:
        _run_on_loop(item, body, check)
    except BaseException as error:
        # The traceback still refers to the test's objects, so open descriptors are not reported.
        for note in check.loop_leaks():
            error.add_note(note)
        raise
    if leaks := check.leaks():
        raise leak_checks.LeakError("\n".join(leaks))
    if next(_tests_run) % TESTS_BETWEEN_FREEZES == 0:
        gc.freeze()


def _run_on_loop(
    item: pytest.Function, body: Callable[[Callable[[Any], None]], None], check: leak_checks.LeakCheck
) -> None:
    limit = TIMEOUT_OF_KNOWN_FAILURES if implementations.is_known_failure(item) else TEST_TIMEOUT
    with contextlib.ExitStack() as stack:
        if "cleanup" in item.funcargs:
            stack.callback(item.funcargs["cleanup"].close)
        runner = loops.new_runner(item.funcargs["loop_kind"])
        stack.callback(leak_checks.close_runner, runner, check)
        body(lambda coroutine: runner.run(leak_checks.run_checked(coroutine, check, limit)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    result = yield
    if item.stash.get(_FAILED, False):
        with leak_checks.discard_garbage():
            pass
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    if call.excinfo is not None:
        item.stash[_FAILED] = True
    return (yield)
