"""ChildExit: reaps a child process when it ends, and wakes the tasks that wait for that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from typing import Any

from .._constants import LOST_STATUS
from .._log import logger


class ChildExit:
    """Reaps ``process`` when it ends. The loop or the waiting thread refers to this object until then.

    On Linux the loop watches a pidfd. Elsewhere, and if the pidfd cannot be opened, a thread waits. If another part of
    the program waits for the process, the exit status may be lost.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes]) -> None:
        self._loop = loop
        self._process = process
        self._waiters: set[asyncio.Future[int]] = set()
        self._descriptor = -1
        try:
            self._descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            threading.Thread(target=self._wait_in_thread, name=f"wait for {process.pid}", daemon=True).start()
        else:
            loop.add_reader(self._descriptor, self._ended)

    async def wait(self) -> int:
        """Wait for the end, and return the exit status; see ChildProcess.wait(). Any number of tasks may wait."""
        status: int | None = self._process.returncode
        if status is not None:
            return status
        waiter: asyncio.Future[int] = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            return await waiter
        finally:
            self._waiters.discard(waiter)

    def _ended(self) -> None:
        _find_lost_status(self._process, os.WNOHANG)
        status = self._process.poll()
        if status is None:
            return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(status)
        # Last: if a signal handler raises before, the loop calls the method again.
        self._close()

    def _wait_in_thread(self) -> None:
        _find_lost_status(self._process, 0)
        self._process.wait()
        with contextlib.suppress(RuntimeError):
            # The loop may be closed.
            self._loop.call_soon_threadsafe(self._ended)

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        # The loop was closed before the process has ended.
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _find_lost_status(process: subprocess.Popen[bytes], flags: int) -> None:
    """Set the return code 255, as asyncio does, if the exit status is lost, and log that. Popen would return 0.

    It is lost if another part of the program has waited for the process, or if SIGCHLD is ignored. ``flags``: with 0,
    the call blocks until the process has ended; with os.WNOHANG, it does not block.
    """
    if not hasattr(os, "waitid"):
        # macOS before Python 3.13. Popen reports a lost status as 0.
        return
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | flags)
    except ChildProcessError:
        if process.returncode is None:
            process.returncode = LOST_STATUS
            logger.warning(
                "exit status of child %d is unknown: something else has reaped it; reporting 255", process.pid
            )


def stop_quietly(process: subprocess.Popen[Any], signal_number: int) -> None:
    """Send a signal to ``process``. Do nothing if it has ended, or runs as another user, as after a setuid program."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        process.send_signal(signal_number)
