"""The leak checks: each example leaks one thing and must fail for that reason."""

import fnmatch
import re
import sys

import pytest

# A leaked task is waited for; the examples do not need the time.
SHORT_TASK_END = "from support import leak_checks\nleak_checks.TASK_END_TIMEOUT = 0.05\n"

NUMBER_OF_KINDS = 4 if sys.version_info >= (3, 12) else 3


def test_async_test_runs_on_every_kind_of_loop(run_pytest):
    result = run_pytest(
        """
async def test_kind(loop_kind):
    loop = asyncio.get_running_loop()
    print(loop_kind, type(loop).__module__.partition(".")[0], loop.get_debug(), loop.get_task_factory() is not None)
"""
    )
    result.assert_outcomes(passed=NUMBER_OF_KINDS)
    output = result.stdout.str()
    assert "asyncio asyncio False False" in output
    assert "debug asyncio True False" in output
    assert "uvloop uvloop False False" in output
    assert ("eager asyncio False True" in output) == (NUMBER_OF_KINDS == 4)


def test_loops_marker_selects_kinds(run_pytest):
    result = run_pytest('@pytest.mark.loops("asyncio", "uvloop")\nasync def test_two(): pass\n')
    result.assert_outcomes(passed=2)


def test_loops_marker_with_unknown_kind_fails_collection(run_pytest):
    result = run_pytest('@pytest.mark.loops("asyncoi")\nasync def test_two(): pass\n')
    assert result.ret != pytest.ExitCode.OK
    assert "no such kind of loop: ['asyncoi']" in result.stdout.str() + result.stderr.str()


def test_async_methods_and_hypothesis_examples_are_run(run_pytest):
    result = run_pytest(
        """
from hypothesis import given, strategies

class TestMethods:
    @pytest.mark.loops("asyncio")
    async def test_fails(self):
        await asyncio.sleep(0)
        raise KeyError("from the method")

@pytest.mark.loops("asyncio")
@given(number=strategies.integers(0, 1000))
async def test_small(number):
    await asyncio.sleep(0)
    assert number < 500
"""
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*KeyError: 'from the method'", "*number=500*"])


def test_plain_function_with_loop_kind_runs_on_every_kind(run_pytest):
    run_pytest("def test_kind(loop_kind): assert isinstance(loop_kind, str)\n").assert_outcomes(passed=NUMBER_OF_KINDS)


LEAKS = {
    "task": ("asyncio.get_running_loop().kept = asyncio.create_task(asyncio.sleep(50))", "*task left over: *sleep*"),
    "socket": ("kept.append(socket.socket())", "*descriptor left open: * -> socket:*"),
    "eventfd": ("import os; kept.append(os.eventfd(0))", "*descriptor left open: * -> anon_inode:*eventfd*"),
    "file": ("kept.append(open(__file__))", "*descriptor left open: * -> *.py"),
    "thread": (
        "release.clear(); kept.append(threading.Thread(target=release.wait, daemon=True)); kept[-1].start()",
        "*thread left over: *",
    ),
    "exception handler called": (
        "asyncio.get_running_loop().call_soon(lambda: 1 / 0)",
        "*exception handler was called: *",
    ),
    "unretrieved exception": (
        "asyncio.get_running_loop().create_future().set_exception(KeyError('lost'))",
        "*exception handler was called: *Future exception was never retrieved*",
    ),
    "unclosed socket": ("socket.socket()", "*ResourceWarning: unclosed <socket*"),
    "coroutine never awaited": ("asyncio.sleep(0)", "*coroutine 'sleep' was never awaited*"),
    "warning": ("warnings.warn('mind the gap')", "*UserWarning: mind the gap"),
    "exception in thread": (
        "thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()",
        "*PytestUnhandledThreadExceptionWarning*",
    ),
    "unclosed transport": (
        "await asyncio.get_running_loop().create_connection(asyncio.Protocol, *raw_peers.listen().address)",
        "*ResourceWarning: unclosed *ransport*",
    ),
}


def test_each_leak_fails_its_test_and_not_the_next_one(run_pytest):
    leaks = [leak for leak in LEAKS if leak != "eventfd" or sys.platform.startswith("linux")]
    examples = [
        f"""
@pytest.mark.loops("asyncio", "uvloop")
async def test_leak_{number}(raw_peers):
    {LEAKS[leak][0]}

def test_after_leak_{number}():
    release.set()
"""
        for number, leak in enumerate(leaks)
    ]
    result = run_pytest(SHORT_TASK_END + "kept = []\nrelease = threading.Event()\n" + "".join(examples))
    result.assert_outcomes(passed=len(leaks), failed=2 * len(leaks))
    _, *parts = re.split(r"_+ test_leak_(\d+)\[(?:asyncio|uvloop)\] _+", result.stdout.str())
    for number, report in zip(parts[::2], parts[1::2], strict=True):
        message = LEAKS[leaks[int(number)]][1]
        assert any(fnmatch.fnmatch(line, message) for line in report.splitlines()), leaks[int(number)]


def test_task_that_ends_by_itself_is_not_a_leak(run_pytest):
    result = run_pytest(
        """
async def test_tidy(raw_peers):
    reader, writer = await asyncio.open_connection(*raw_peers.listen().address)
    writer.close()
    kept.add(asyncio.create_task(asyncio.sleep(0.01)))

kept = set()
"""
    )
    result.assert_outcomes(passed=NUMBER_OF_KINDS)


def test_loop_errors_fixture_fails_test_unless_cleared(run_pytest):
    result = run_pytest(
        """
async def test_inspects(loop_errors):
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert isinstance(loop_errors[0]["exception"], ZeroDivisionError)
    loop_errors.clear()

@pytest.mark.loops("asyncio")
async def test_forgets_to_clear(loop_errors):
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
"""
    )
    result.assert_outcomes(passed=NUMBER_OF_KINDS, failed=1)


def test_failing_test_lists_its_leaks_and_next_test_passes(run_pytest):
    result = run_pytest(
        SHORT_TASK_END
        + """
@pytest.mark.loops("asyncio")
async def test_fails(raw_peers):
    everything = await asyncio.open_connection(*raw_peers.listen().address)
    asyncio.get_running_loop().kept = asyncio.create_task(asyncio.sleep(50))
    assert everything is None

async def test_innocent(): pass
"""
    )
    result.assert_outcomes(passed=NUMBER_OF_KINDS, failed=1)
    result.stdout.fnmatch_lines(["*assert * is None", "*task left over: *sleep*"])


def test_hanging_test_fails_with_traceback_of_hang(run_pytest):
    result = run_pytest(
        """
from support import async_tests
async_tests.TEST_TIMEOUT = 0.05

@pytest.mark.loops("asyncio", "uvloop")
async def test_hangs():
    await asyncio.Event().wait()
"""
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*await asyncio.Event().wait()*", "*TimeoutError*"])


def test_reference_fails_marker_expects_failure_on_asyncio_only(run_pytest):
    result = run_pytest(
        """
@pytest.fixture(params=["asyncio", "json"])
def streams(request):
    return __import__(request.param)

@pytest.mark.loops("asyncio")
@pytest.mark.reference_fails("W7", "asyncio is not json")
async def test_known(streams):
    kept = socket.socket()
    assert streams.__name__ == "json"
    kept.close()

@pytest.mark.loops("asyncio", "debug")
@pytest.mark.reference_fails("W7", "only in debug mode", when=lambda loop_kind: loop_kind == "debug")
async def test_known_on_one_loop(streams):
    assert streams.__name__ == "json" or not asyncio.get_running_loop().get_debug()

@pytest.mark.loops("asyncio")
@pytest.mark.reference_fails("W7", "would kill the process", run=False)
async def test_never_run_there(streams):
    if streams.__name__ != "json":
        import os
        os._exit(1)

@pytest.mark.loops("asyncio")
@pytest.mark.reference_fails("W7", "the marker says nothing about json")
async def test_is_held_to_it(streams):
    assert streams.__name__ != "json"
"""
    )
    # The last test fails on json, and on asyncio, which passes although it is marked.
    result.assert_outcomes(xfailed=3, passed=5, failed=2)
    result.stdout.fnmatch_lines(
        ["*XFAIL*test_known?asyncio*W7: asyncio is not json", "*FAILED*test_is_held_to_it?asyncio*"]
    )


def test_missing_program_skips_test_and_names_package(run_pytest, monkeypatch):
    source = """
from support.external_programs import require_program

def test_here():
    assert require_program("sh").endswith("/sh")

def test_missing():
    require_program("no-such-program", "such-package")
"""
    monkeypatch.delenv("SLUICEWAY_REQUIRE_PEERS", raising=False)
    result = run_pytest(source)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*no-such-program is not installed (Debian package such-package)*"])

    monkeypatch.setenv("SLUICEWAY_REQUIRE_PEERS", "1")
    run_pytest(source).assert_outcomes(passed=1, failed=1)


def test_missing_uvloop_skips_test(run_pytest, monkeypatch):
    source = """
from support import loops
loops.HAS_UVLOOP = False

@pytest.mark.loops("uvloop")
async def test_there(): pass
"""
    monkeypatch.delenv("SLUICEWAY_REQUIRE_PEERS", raising=False)
    result = run_pytest(source)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*uvloop is not installed*"])

    monkeypatch.setenv("SLUICEWAY_REQUIRE_PEERS", "1")
    assert run_pytest(source).ret == pytest.ExitCode.TESTS_FAILED
