"""spawn(): a child whose standard streams are Streams; it ends with its block, and leaves nothing behind."""

import asyncio
import contextlib
import errno
import gc
import io
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

import sluiceway
from sluiceway.stream.child_exit import reap
from support.file_descriptors import open_descriptors
from support.interrupts import Interrupt
from support.manual_timers import manual_timers
from support.scheduling import start_task, wait_until
from support.timeouts import PEER_TIMEOUT

LARGE = 4 << 20
STOP = 12345.0

# Children print this when they are ready, so that no test depends on time.
READY = b"ready\n"
IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.01; done"
ENDS_AT_TERM = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"


def is_reaped(pid: int) -> bool:
    """Return True if there is no such process, and no zombie of it."""
    return not pathlib.Path(f"/proc/{pid}").exists()


@pytest.fixture(params=["pidfd", "thread"])
def each_wait(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cleanup: contextlib.ExitStack) -> None:
    """Wait for the children by a pidfd, or by a thread as where the system has none."""
    if request.param == "thread":
        monkeypatch.delattr(os, "pidfd_open")
        cleanup.callback(join_waiters)


def join_waiters() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("wait for "):
            thread.join()


@pytest.mark.usefixtures("each_wait")
async def test_child_reads_and_answers_on_one_stream() -> None:
    async with sluiceway.spawn("cat") as child:
        assert child.returncode is None
        await child.stdio.send(b"one line\n")
        assert await child.stdio.read_line() == b"one line\n"
        await child.stdio.send_eof()
        assert await child.stdio.read(1) == b""
        assert await child.wait() == 0
    assert child.returncode == 0
    assert is_reaped(child.pid)


async def test_large_data_passes_child_in_both_directions() -> None:
    data = bytes(range(256)) * (LARGE // 256)
    async with sluiceway.spawn("cat") as child:

        async def send() -> None:
            await child.stdio.send(data)
            await child.stdio.send_eof()

        sending = asyncio.ensure_future(send())
        assert await child.stdio.read_exactly(LARGE) == data
        await sending
        assert await child.stdio.read(1) == b""


async def test_standard_error_is_stream_where_requested() -> None:
    async with sluiceway.spawn("sh", "-c", "echo out; echo err >&2", stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        assert await child.stderr.read_line() == b"err\n"
        assert await child.stdio.read_line() == b"out\n"
        assert await child.stderr.read(1) == b""
    async with sluiceway.spawn("sh", "-c", "echo err >&2", stderr=subprocess.STDOUT) as child:
        assert child.stderr is None
        assert await child.stdio.read_line() == b"err\n"


async def test_environment_directory_and_session_are_those_given(tmp_path: pathlib.Path) -> None:
    program = "echo $NAME; pwd; read line"
    async with sluiceway.spawn(
        "sh", "-c", program, env={"NAME": "value", "PATH": os.environ["PATH"]}, cwd=tmp_path, start_new_session=True
    ) as child:
        assert await child.stdio.read_line() == b"value\n"
        assert await child.stdio.read_line() == os.fsencode(tmp_path.resolve()) + b"\n"
        assert os.getsid(child.pid) == child.pid


async def test_child_inherits_no_other_descriptor() -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    async with sluiceway.pair(), sluiceway.spawn("ls", "/proc/self/fd") as child:
        # The last one is that of the listed directory.
        assert [await child.stdio.read_line() for _ in range(5)] == [b"0\n", b"1\n", b"2\n", b"3\n", b""]
    os.close(read_end)
    os.close(write_end)


@pytest.mark.usefixtures("each_wait")
async def test_exit_status_and_signal_are_returned_to_every_waiter() -> None:
    async with sluiceway.spawn("sh", "-c", "read line; exit 3") as child:
        waiting = [asyncio.ensure_future(child.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await child.stdio.send(b"\n")
        assert await asyncio.gather(*waiting[1:]) == [3, 3]
    async with sluiceway.spawn("cat") as child:
        child.kill()
        assert await child.wait() == -signal.SIGKILL
        child.terminate()
        assert await child.aclose() == -signal.SIGKILL
    assert repr(child) == f"<ChildProcess pid={child.pid} returncode=-9>"


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        ("HUP", TypeError, r"number argument must be an integer, such as signal\.SIGHUP, not 'str': 'HUP'"),
        (1000, ValueError, "1000 is not the number of a signal"),
    ],
)
async def test_invalid_signal_raises_error_that_names_call_and_child(
    number: Any, error: type[Exception], message: str
) -> None:
    async with sluiceway.spawn("cat") as child:
        with pytest.raises(error, match=rf"^send_signal\(\): {message} \(<ChildProcess pid={child.pid} running>\)$"):
            child.send_signal(number)


async def test_end_of_block_ends_input_of_child() -> None:
    async with sluiceway.spawn("cat", stop_timeout=3600) as child:
        pass
    assert child.returncode in (0, -signal.SIGPIPE)


async def test_child_that_ignores_end_of_input_gets_sigterm() -> None:
    with manual_timers(STOP) as timers:
        child = await sluiceway.spawn("sh", "-c", ENDS_AT_TERM, stop_timeout=STOP)
        assert await child.stdio.read_line() == READY
        closing = asyncio.ensure_future(child.aclose())
        await wait_until(timers.fire)
        assert await closing == 7
    assert is_reaped(child.pid)


@pytest.mark.usefixtures("each_wait")
async def test_child_that_ignores_sigterm_is_killed() -> None:
    with manual_timers(STOP) as timers:
        child = await sluiceway.spawn("sh", "-c", IGNORES_TERM, stop_timeout=STOP)
        assert await child.stdio.read_line() == READY
        closing = asyncio.ensure_future(child.aclose())
        await wait_until(timers.fire)
        await wait_until(timers.fire)
        assert await closing == -signal.SIGKILL
    assert is_reaped(child.pid)


@pytest.mark.usefixtures("each_wait")
async def test_end_of_block_leaves_no_descriptor_open() -> None:
    """That includes the pipe of data that the child has not read."""
    before = open_descriptors()
    async with sluiceway.spawn("sleep", "3600", stderr=subprocess.PIPE) as child:
        child.stdio.writer.write(b"x" * LARGE)
        child.kill()
        await child.wait()
    join_waiters()
    assert open_descriptors() == before


async def test_exception_in_block_sends_sigterm_at_once() -> None:
    with pytest.raises(LookupError, match="in the block"):
        async with sluiceway.spawn("sh", "-c", ENDS_AT_TERM, stop_timeout=3600) as child:
            assert await child.stdio.read_line() == READY
            raise LookupError("in the block")
    assert child.returncode == 7
    assert is_reaped(child.pid)


async def test_cancelled_block_ends_and_reaps_child() -> None:
    started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with sluiceway.spawn("sh", "-c", ENDS_AT_TERM, stop_timeout=3600) as child:
            assert await child.stdio.read_line() == READY
            # More than a pipe holds, to a child that does not read it.
            child.stdio.writer.write(b"x" * LARGE)
            started.set_result(child)
            await asyncio.Event().wait()

    running = asyncio.ensure_future(run())
    child = await started
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert child.returncode == 7
    assert is_reaped(child.pid)


async def test_cancelled_close_kills_child() -> None:
    child = await sluiceway.spawn("sh", "-c", IGNORES_TERM, stop_timeout=3600)
    assert await child.stdio.read_line() == READY
    closing = asyncio.ensure_future(child.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await child.wait() == -signal.SIGKILL
    assert await child.aclose() == -signal.SIGKILL
    assert is_reaped(child.pid)


async def test_interrupt_where_end_of_block_begins_kills_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler may raise where a method begins."""

    async def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sluiceway.ChildProcess, "__aexit__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            async with sluiceway.spawn("sleep", "3600") as child:
                pass
    assert await child.wait() == -signal.SIGKILL
    await child.aclose()


async def test_interrupt_that_prevents_the_end_of_block_kills_child() -> None:
    """CPython calls signal handlers where ``__aexit__()`` begins: it has executed no statement of it then."""

    def is_end_of_block(frame: types.FrameType) -> bool:
        return frame.f_code.co_name == "__aexit__"

    interrupt = Interrupt(0, ZeroDivisionError, is_end_of_block)
    with pytest.raises(ZeroDivisionError), interrupt.active():
        async with sluiceway.spawn("sleep", "3600") as child:
            assert not interrupt.at
    gc.collect()  # the traceback
    assert await child.wait() == -signal.SIGKILL
    await child.aclose()


async def test_interrupt_at_any_place_of_the_start_kills_child(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["sluiceway.stream.spawn"]
    starting = ("_start", "_name_files")
    started: list[Any] = []
    popen = module._popen  # type: ignore[attr-defined]

    def record(*arguments: Any) -> Any:
        started.append(popen(*arguments))
        return started[-1]

    monkeypatch.setattr(module, "_popen", record)
    for number in itertools.count():
        interrupt = Interrupt(number, ZeroDivisionError, lambda frame: frame.f_code.co_name in starting)
        try:
            with interrupt.active():
                child = await sluiceway.spawn("sleep", "3600")
        except ZeroDivisionError:
            await wait_until(lambda: all(reap(process) is not None for process in started))
            continue
        child.kill()
        await child.aclose()
        break
    assert len(started) > 1


async def test_begin_of_block_calls_no_method_of_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler that raises there would leave a child running that no block ends."""
    monkeypatch.delattr(sluiceway.ChildProcess, "__aenter__")
    async with sluiceway.spawn("sleep", "3600") as child:
        child.kill()
    assert child.returncode == -signal.SIGKILL


async def test_grandchild_that_keeps_pipes_does_not_delay_close() -> None:
    # The standard input of a background process is not that of the shell, but the process inherits descriptor 3.
    program = "exec 3<&0; sleep 3600 & echo $!; exec sleep 3600"
    child = await sluiceway.spawn("sh", "-c", program, stop_timeout=3600)
    grandchild = int(await child.stdio.read_line())
    try:
        child.stdio.writer.write(b"x" * LARGE)
        child.kill()
        assert await child.aclose() == -signal.SIGKILL
        assert (await child.stdio.aclose()).reason == "aborted"
    finally:
        os.kill(grandchild, signal.SIGKILL)


async def test_child_whose_end_cannot_be_watched_is_killed_and_reaped(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def refuse(*_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def start_and_record(*arguments: Any, **options: Any) -> Any:
        started.append(start(*arguments, **options))
        return started[0]

    monkeypatch.setattr(os, "pidfd_open", refuse)
    monkeypatch.setattr(threading.Thread, "start", fail)
    monkeypatch.setattr(subprocess, "Popen", start_and_record)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await sluiceway.spawn("cat", stderr=subprocess.PIPE)
    assert is_reaped(started[0].pid)


@pytest.mark.usefixtures("each_wait")
async def test_exception_at_end_of_spawn_kills_child_and_leaves_descriptors_usable(
    monkeypatch: pytest.MonkeyPatch, fail_to_make_stream: Callable[[], AbstractContextManager[None]]
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def start_and_record(*arguments: Any, **options: Any) -> Any:
        started.append(start(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start_and_record)
    with fail_to_make_stream():
        await sluiceway.spawn("sleep", "3600", stderr=subprocess.PIPE)
    await wait_until(lambda: started[0].returncode is not None)
    assert started[0].returncode == -signal.SIGKILL
    async with sluiceway.pair() as (first, second):
        await first.send(b"line\n")
        assert await second.read_line() == b"line\n"


async def test_interrupt_when_child_ends_does_not_keep_waiters(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    child = await sluiceway.spawn("cat")
    waiting = asyncio.ensure_future(child.wait())
    await asyncio.sleep(0)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "remove_reader", interrupt, raising=False)
        with pytest.raises(KeyboardInterrupt):
            child._exit._ended()
    assert await waiting == -signal.SIGKILL
    await child.aclose()


@pytest.mark.usefixtures("each_wait")
async def test_exception_when_child_ends_does_not_keep_waiters(
    monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    """A signal handler may raise where the loop reports the end."""
    raised: list[TimeoutError] = []

    def raise_once(process: subprocess.Popen[bytes]) -> int | None:
        if not raised:
            raised.append(TimeoutError("in a signal handler"))
            raise raised[0]
        return reap(process)

    monkeypatch.setattr("sluiceway.stream.child_exit.reap", raise_once)
    async with sluiceway.spawn("cat") as child:
        waiting = await start_task(child.wait())
        await child.stdio.send_eof()
        assert await asyncio.wait_for(waiting, PEER_TIMEOUT) == 0
    assert [context["exception"] for context in loop_errors] == raised
    loop_errors.clear()


async def test_end_is_noticed_without_waitid(monkeypatch: pytest.MonkeyPatch, cleanup: contextlib.ExitStack) -> None:
    """As on macOS before Python 3.13."""
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "waitid")
    cleanup.callback(join_waiters)
    async with sluiceway.spawn("sh", "-c", "exit 7") as child:
        assert await child.wait() == 7


async def test_child_that_something_else_has_reaped_is_no_success(caplog: pytest.LogCaptureFixture) -> None:
    child = await sluiceway.spawn("cat")
    child.kill()
    os.waitpid(child.pid, 0)
    assert await child.wait() == 255
    assert [record.getMessage() for record in caplog.records] == [
        f"exit status of child {child.pid} is unknown: reaped by other code, or SIGCHLD is ignored; reporting 255"
    ]
    caplog.clear()
    await child.aclose()


async def test_signal_to_child_that_something_else_has_reaped_does_not_turn_its_status_into_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Popen.send_signal() sets the status 0 then."""
    child = await sluiceway.spawn("sh", "-c", "exit 3")
    os.waitpid(child.pid, 0)
    child.terminate()
    assert child.returncode == 255
    assert await child.aclose() == 255
    assert len(caplog.records) == 1
    caplog.clear()


async def test_missing_program_raises_file_not_found_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await sluiceway.spawn(tmp_path / "no-such-program", stderr=subprocess.PIPE)


async def test_nothing_starts_before_await(tmp_path: pathlib.Path) -> None:
    opening = sluiceway.spawn("touch", tmp_path / "file")
    with pytest.warns(RuntimeWarning, match=r"spawn\('touch'\) was never awaited"):
        del opening
    assert not (tmp_path / "file").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a recorded warning refers to its stream
@pytest.mark.parametrize("dropped", ["before", "after"])
def test_child_dropped_before_or_after_end_of_its_loop_leaves_no_descriptor(dropped: str) -> None:
    before = os.listdir("/proc/self/fd")

    async def leave() -> sluiceway.ChildProcess | None:
        child = await sluiceway.spawn("cat")
        return child if dropped == "after" else None

    asyncio.run(leave())
    gc.collect()
    # cat has read the end of its input.
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize(
    ("command", "options", "error", "message"),
    [
        ((), {}, ValueError, "needs the name of a program"),
        (("ls", 5), {}, TypeError, "each argument must be a str, bytes or os.PathLike, not 'int': 5"),
        (("ls",), {"stop_timeout": 0}, ValueError, "stop_timeout argument must be greater than 0, not 0"),
        (("ls",), {"stop_timeout": None}, TypeError, "must be a number of seconds, not 'NoneType': None"),
        (("ls",), {"limit": 0}, ValueError, "Limit cannot be <= 0"),
        (("",), {}, ValueError, "needs the name of a program"),
        (("l\0s",), {}, ValueError, r"each argument must not contain a NUL byte: 'l\\x00s'"),
        (("l\ud800",), {}, ValueError, "each argument must be encodable: "),
        (("ls",), {"cwd": 5}, TypeError, "cwd must be a str, bytes or os.PathLike, not 'int': 5"),
        (("ls",), {"env": ["A"]}, TypeError, r"env must be a mapping or None, not 'list': \['A'\]"),
        (("ls",), {"env": {1: "b"}}, TypeError, "each name of env must be a str, bytes or os.PathLike, not 'int': 1"),
        (("ls",), {"env": {"A=B": "c"}}, ValueError, "each name of env must not contain '=': 'A=B'"),
        (("ls",), {"env": {"A": 2}}, TypeError, "the value of 'A' in env must be a str, .* not 'int': 2"),
        (("ls",), {"start_new_session": "yes"}, TypeError, "start_new_session must be a bool, not 'yes'"),
        (("ls",), {"stderr": "log"}, ValueError, "stderr must be None, subprocess.PIPE, .* not 'log'"),
        (("ls",), {"stderr": 99999}, ValueError, "stderr must be None, subprocess.PIPE, .* not 99999"),
        (("ls",), {"stderr": -99}, ValueError, "stderr must be None, subprocess.PIPE, .* not -99"),
        (("ls",), {"stderr": io.BytesIO()}, ValueError, "stderr must be None, subprocess.PIPE, .* not <_io.BytesIO"),
        (("ls",), {"stdin": -1}, TypeError, "no argument 'stdin': child.stdio sends to the standard input"),
        (("ls",), {"shell": True}, TypeError, "no argument 'shell': start a shell by name"),
    ],
)
def test_invalid_argument_raises_error_that_names_it(
    command: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sluiceway.spawn(*command, **options)


async def test_python_child_answers_json_lines_longer_than_limit_of_asyncio() -> None:
    program = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.flush()"
    line = b'{"text": "' + b"x" * (1 << 20) + b'"}\n'
    async with sluiceway.spawn(sys.executable, "-S", "-c", program, limit=2 << 20) as child:
        for _ in range(2):
            await child.stdio.send(line)
            assert await child.stdio.read_line() == line


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11: the error has no advice")
async def test_attribute_of_process_of_asyncio_raises_attribute_error_that_names_its_successor() -> None:
    async with sluiceway.spawn("cat") as child:
        for name in ("stdin", "stdout", "communicate"):
            with pytest.raises(AttributeError, match=rf"'ChildProcess' object has no attribute '{name}'; .*stdio"):
                getattr(child, name)
            assert not hasattr(child, name)
