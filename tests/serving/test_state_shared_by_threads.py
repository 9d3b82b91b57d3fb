"""State that loops in several threads share, changed by another thread at the worst moment."""

import asyncio
import gc
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._asyncio import install as installing
from sluiceway._asyncio import server_connection
from sluiceway._connection import handler_tasks, loop_thread
from sluiceway._connection.loop_thread import run_in_loop
from sluiceway._transports import fork_hooks
from support.child_processes import IGNORE_THREADS, run_child
from support.scheduling import wait_until
from support.timeouts import PROCESS_TIMEOUT

# Seconds for a thread that is expected to wait for a lock.
LOCK_WAIT = 0.2


def call_at_each_line(call: Callable[[], None], run: Callable[[], Any]) -> None:
    """Call ``act`` before each line of Python that ``run`` executes, as a thread switch could."""

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        sys.settrace(None)
        call()
        sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)


class FakeStepper:
    def _flush_own_thread(self) -> None:
        pass

    def _forked(self) -> None:
        pass


def test_stepper_made_by_other_thread_during_fork_does_not_fail_fork() -> None:
    steppers: list[FakeStepper] = []

    def make_stepper() -> None:
        steppers.append(FakeStepper())
        fork_hooks.register_stepper(steppers[-1])

    make_stepper()
    call_at_each_line(make_stepper, fork_hooks._before_fork)
    call_at_each_line(make_stepper, fork_hooks._after_fork)
    assert len(steppers) > 2


def test_collected_stepper_is_not_registered_for_fork() -> None:
    gc.collect()
    before = len(fork_hooks._steppers)
    fork_hooks.register_stepper(FakeStepper())
    gc.collect()
    assert len(fork_hooks._steppers) == before


def test_handler_without_server_starts_while_other_loop_begins_to_serve() -> None:
    class ClosedMeanwhile:
        """A loop of another thread, which adds a further loop while this one is inspected."""

        def is_closed(self) -> bool:
            handler_tasks._running[ClosedMeanwhile()] = set()  # type: ignore[index]
            return True

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(asyncio.sleep(0))
        handler_tasks._keep(task, loop)
        await task
        await asyncio.sleep(0)
        assert loop not in handler_tasks._running

    handler_tasks._running[ClosedMeanwhile()] = set()  # type: ignore[index]
    try:
        asyncio.run(main())
    finally:
        for loop in list(handler_tasks._running):
            if isinstance(loop, ClosedMeanwhile):
                del handler_tasks._running[loop]


def test_simultaneous_install_in_two_threads_keeps_original_classes() -> None:
    original = asyncio.StreamReader
    threads: list[threading.Thread] = []

    def install_elsewhere() -> None:
        if not threads:
            threads.append(threading.Thread(target=sluiceway.install))
            threads[0].start()
            threads[0].join(LOCK_WAIT)

    class Meanwhile(dict[str, Any]):
        def items(self) -> Any:
            install_elsewhere()
            return super().items()

    replacements = installing._replacements
    installing._replacements = Meanwhile(replacements)
    try:
        sluiceway.install()
        threads[0].join()
        assert issubclass(original, asyncio.StreamReader)
    finally:
        installing._replacements = replacements
        sluiceway.uninstall()
    assert asyncio.StreamReader is original


def test_simultaneous_installed_in_two_threads_uninstalls_at_end_of_last() -> None:
    original = asyncio.StreamReader
    other = sluiceway.installed()
    threads: list[threading.Thread] = []

    class Meanwhile(dict[str, Any]):
        def items(self) -> Any:
            if not threads:
                threads.append(threading.Thread(target=other.__enter__))
                threads[0].start()
                threads[0].join(LOCK_WAIT)
            return super().items()

    replacements = installing._replacements
    installing._replacements = Meanwhile(replacements)
    try:
        with sluiceway.installed():
            threads[0].join()
            other.__exit__(None, None, None)
            assert asyncio.StreamReader is not original
        assert asyncio.StreamReader is original
    finally:
        installing._replacements = replacements
        sluiceway.uninstall()


@IGNORE_THREADS
def test_child_can_install_if_another_thread_was_installing_at_the_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    original = asyncio.StreamReader
    forks: list[str] = []
    statuses: list[int] = []

    def in_child() -> None:
        assert asyncio.StreamReader is original
        with sluiceway.installed():
            assert asyncio.StreamReader is sluiceway.StreamReader
            assert asyncio.open_connection is sluiceway.open_connection
        assert asyncio.StreamReader is original
        assert not sluiceway.is_installed()

    def fork_in_thread(place: str) -> None:
        forks.append(place)
        thread = threading.Thread(target=lambda: statuses.append(run_child(in_child)))
        thread.start()
        thread.join()

    class Meanwhile(dict[str, Any]):
        """Forks when a part of the names is replaced, and again when a part of them is restored."""

        def items(self) -> Any:
            for number, item in enumerate(super().items()):
                if number == 2 and not forks:
                    fork_in_thread("replacing")
                yield item

        def __getitem__(self, name: str) -> Any:
            if len(forks) == 1 and asyncio.StreamReader is original:
                fork_in_thread("restoring")
            return super().__getitem__(name)

    monkeypatch.setattr(installing, "_replacements", Meanwhile(installing._replacements))
    with sluiceway.installed():
        pass
    assert forks == ["replacing", "restoring"]
    assert statuses == [0, 0]


def test_child_can_use_stream_api_if_another_thread_was_importing_it_at_the_fork() -> None:
    script = f"""
import importlib.abc, os, signal, sys, threading
import sluiceway

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "sluiceway.stream.pair":
            importing.set()
            forking.wait()

importing, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # runs before the hook of the package
sys.meta_path.insert(0, Finder())
sys.setswitchinterval(1000)  # the thread goes on only when this one waits
thread = threading.Thread(target=lambda: sluiceway.connect)
thread.start()
importing.wait()
child = os.fork()
if child == 0:
    signal.alarm({int(PROCESS_TIMEOUT)})
    assert callable(sluiceway.connect)
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=2 * PROCESS_TIMEOUT, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_fork_reports_nothing_if_stream_api_cannot_be_imported() -> None:
    script = """
import importlib.abc, os, sys, threading
import sluiceway

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "sluiceway.stream.pair" and tried.append(name) is None:
            raise OSError("no descriptor is left")

tried, forked = [], threading.Event()
sys.meta_path.insert(0, Finder())
thread = threading.Thread(target=forked.wait)
thread.start()
child = os.fork()
if child == 0:
    os._exit(0)
forked.set()
thread.join()
assert tried and os.waitpid(child, 0)[1] == 0
sys.meta_path.pop(0)
assert callable(sluiceway.connect)
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_TIMEOUT, check=False)
    assert (result.returncode, result.stderr) == (0, "")


async def test_call_from_other_thread_runs_in_thread_of_loop() -> None:
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    run = lambda: called.set_result(threading.get_ident())  # noqa: E731
    await asyncio.to_thread(run_in_loop, loop, run)
    assert await called == threading.get_ident()


async def test_call_in_thread_of_loop_runs_immediately() -> None:
    called: list[bool] = []
    run_in_loop(asyncio.get_running_loop(), lambda: called.append(True))
    assert called


def test_call_for_closed_loop_is_discarded() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    run_in_loop(loop, lambda: None)


async def test_connection_collected_in_other_thread_is_removed_in_thread_of_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Collected:
        """Replaces a transport that the garbage collector frees in another thread."""

    monkeypatch.setattr(loop_thread, "COLLECTION_SECONDS", 0)
    ended: list[int] = []
    server = await sluiceway.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with server:
        client = server_connection.ServerConnection(server, ("127.0.0.1", 1), "listener")
        server._connections.add(client)
        discard = server._connection_ended

        def record(client: Any) -> None:
            ended.append(threading.get_ident())
            discard(client)

        server._connection_ended = record  # type: ignore[method-assign]

        def collect() -> None:
            collected = Collected()
            client._transport = server_connection._Reference(collected, server_connection._gone)
            client._transport.entry = client

        await asyncio.to_thread(collect)
        await wait_until(lambda: ended)
        assert ended == [threading.get_ident()]
        server._connection_ended = discard  # type: ignore[method-assign]
