"""State that loops in several threads share, changed by another thread at the worst moment."""

import asyncio
import gc
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import sluiceway
from sluiceway._asyncio import install as installing
from sluiceway._connection import handler_tasks
from sluiceway._connection.loop_thread import run_in_loop
from sluiceway._transports.epoll import fork

# Seconds for a thread that is expected to wait for a lock.
LOCK_WAIT = 0.2


def at_each_line(act: Callable[[], None], run: Callable[[], Any]) -> None:
    """Call ``act`` before each line of Python that ``run`` executes, as a thread switch could."""

    def trace(frame: types.FrameType, event: str, argument: Any) -> Any:
        sys.settrace(None)
        act()
        sys.settrace(trace)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)


class FakePoller:
    def _flush_before_fork(self) -> None:
        pass

    def _forked(self) -> None:
        pass


def test_fork_while_other_threads_make_pollers() -> None:
    made: list[FakePoller] = []

    def make() -> None:
        made.append(FakePoller())
        fork.register_poller(made[-1])

    make()
    at_each_line(make, fork._before_fork)
    at_each_line(make, fork._after_fork)
    assert len(made) > 2


def test_pollers_that_ended_take_no_part_in_a_fork() -> None:
    gc.collect()
    before = len(fork._pollers)
    fork.register_poller(FakePoller())
    gc.collect()
    assert len(fork._pollers) == before


def test_handler_without_a_server_starts_while_another_loop_begins_to_serve() -> None:
    class ClosedMeanwhile:
        """A loop of another thread; its look-up is where that thread enters one more."""

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


def test_two_threads_that_install_at_once_know_which_classes_are_asyncios() -> None:
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


async def test_call_from_another_thread_runs_in_the_thread_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    run = lambda: called.set_result(threading.get_ident())  # noqa: E731
    await asyncio.to_thread(run_in_loop, loop, run)
    assert await called == threading.get_ident()


async def test_call_in_the_thread_of_the_loop_runs_at_once() -> None:
    called: list[bool] = []
    run_in_loop(asyncio.get_running_loop(), lambda: called.append(True))
    assert called


def test_call_for_a_closed_loop_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    run_in_loop(loop, lambda: None)


async def test_connection_collected_in_another_thread_is_counted_off_by_the_loop() -> None:
    class Collected:
        """Stands in for a transport that the collector frees in another thread."""

    ended: list[int] = []
    server = await sluiceway.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with server:
        client = sluiceway._asyncio.server_connection.ServerConnection(server, ("127.0.0.1", 1), "listener")
        server._connections.add(client)
        discard = server._connection_ended

        def note(client: Any) -> None:
            ended.append(threading.get_ident())
            discard(client)

        server._connection_ended = note  # type: ignore[method-assign]
        await asyncio.to_thread(client._gone, Collected())
        await asyncio.sleep(0)
        assert ended == [threading.get_ident()]
        server._connection_ended = discard  # type: ignore[method-assign]
