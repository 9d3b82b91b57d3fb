"""Children of spawn(): calls of other threads than the one of the loop."""

import os
import signal
import threading

import pytest

import sluiceway
from support.scheduling import start_task
from support.timeouts import PEER_TIMEOUT


async def test_signal_of_other_thread_to_ended_child_does_not_lose_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    passed, reported = threading.Event(), threading.Event()

    def terminate() -> None:
        try:
            child.terminate()
        finally:
            passed.set()

    thread = threading.Thread(target=terminate)
    real = os.waitpid

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        found = real(pid, options)
        if threading.current_thread() is thread:
            # The thread has reaped the child, and the loop runs before the thread stores the status.
            passed.set()
            reported.wait(PEER_TIMEOUT)
        return found

    async with sluiceway.spawn("sh", "-c", "read line; exit 3") as child:
        waiting = await start_task(child.wait())
        await child.stdio.send(b"\n")
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        monkeypatch.setattr(os, "waitpid", waitpid)
        thread.start()
        assert passed.wait(PEER_TIMEOUT)
        status = await waiting
        reported.set()
        thread.join()
        assert status == child.returncode == 3


async def test_signal_of_other_thread_reaches_child() -> None:
    async with sluiceway.spawn("cat") as child:
        thread = threading.Thread(target=child.kill)
        thread.start()
        thread.join()
        assert await child.wait() == -signal.SIGKILL
        thread = threading.Thread(target=child.kill)
        thread.start()
        thread.join()
