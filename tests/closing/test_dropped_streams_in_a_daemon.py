"""A daemon closes all descriptors that it has inherited, and then drops the streams of its parent.

A finalizer in a forked child wakes a loop that the child runs, and no other.
"""

import asyncio
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._connection.loop_thread import run_after_collection, run_in_loop
from support.child_processes import IGNORE_THREADS, run_child
from support.loops import new_runner

pytestmark = [IGNORE_THREADS, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]


def descriptors_of_a_daemon() -> list[socket.socket]:
    """Close all descriptors, then open sockets with the same numbers. Return the ends that receive what is sent."""
    os.closerange(3, 200)
    pairs = [socket.socketpair() for _ in range(50)]
    return [end for pair in pairs for end in pair]


@pytest.mark.loops("asyncio", "debug", "uvloop", "eager")
@pytest.mark.parametrize("running", [False, True])
def test_streams_dropped_in_a_daemon_write_to_no_descriptor(loop_kind: str, running: bool) -> None:
    streams: list[tuple[sluiceway.StreamReader, sluiceway.StreamWriter]] = []

    def daemon() -> None:
        ends = descriptors_of_a_daemon()
        asyncio.events._set_running_loop(None)
        if not running:
            # Another thread, which does not run the loop.
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        streams.clear()
        assert select.select(ends, [], [], 0)[0] == []

    async def connect(ours: socket.socket) -> None:
        streams.append(await sluiceway.open_unix_connection(sock=ours))
        if running:
            assert run_child(daemon) == 0

    ours, peer = socket.socketpair()
    with peer, new_runner(loop_kind) as runner:
        runner.run(connect(ours))
        if not running:
            assert run_child(daemon) == 0
        writer = streams[0][1]
        writer.close()
        runner.run(writer.wait_closed())


@pytest.mark.loops("asyncio", "debug", "uvloop", "eager")
@pytest.mark.parametrize("run", [run_in_loop, run_after_collection])
def test_loop_in_a_thread_of_a_child_is_woken(loop_kind: str, run: Callable[..., None]) -> None:
    def child() -> None:
        loops: list[asyncio.AbstractEventLoop] = []
        callbacks: list[Callable[[], None]] = []
        runs = threading.Event()

        async def wait() -> None:
            loops.append(asyncio.get_running_loop())
            called = asyncio.Event()
            callbacks.append(called.set)
            loops[0].call_soon(runs.set)
            await called.wait()

        def run_loop() -> None:
            with new_runner(loop_kind) as runner:
                runner.run(wait())

        thread = threading.Thread(target=run_loop)
        thread.start()
        runs.wait()
        run(loops[0], callbacks[0])
        thread.join()

    assert run_child(child) == 0


# The selector of uvloop cannot be replaced.
@pytest.mark.loops("asyncio", "debug", "eager")
def test_waiting_loop_of_a_child_is_woken_by_a_finalizer_in_its_thread(loop_kind: str) -> None:
    """The garbage collector may run after the loop has computed how long it waits."""

    def child() -> None:
        async def wait() -> None:
            loop: Any = asyncio.get_running_loop()
            called = asyncio.Event()
            select = loop._selector.select

            def collect_and_select(timeout: float | None) -> Any:
                if timeout is None:
                    loop._selector.select = select
                    run_after_collection(loop, called.set)
                return select(timeout)

            loop._selector.select = collect_and_select
            await called.wait()

        with new_runner(loop_kind) as runner:
            runner.run(wait())

    assert run_child(child) == 0
