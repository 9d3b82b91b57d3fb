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
from .._transports.protocol_calls import schedule_repeatedly


class ChildExit:
    """Reaps ``process`` when it ends. The loop or the waiting thread refers to this object until then.

    On Linux the loop watches a pidfd. Elsewhere, and if the pidfd cannot be opened, a thread waits. If another part of
    the program waits for the process, the exit status may be lost.
    """

    # If an interrupt prevents __init__(), __del__() finds no descriptor.
    _descriptor = -1

    def __init__(self, loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes]) -> None:
        self._loop = loop
        self._process = process
        self._waiters: set[asyncio.Future[int]] = set()
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

    def send_signal(self, number: int) -> None:
        """Send the signal ``number`` to the process, unless it has ended. Raise PermissionError as ``os.kill``.

        Any thread may call this method. Only the thread of the loop reaps: if two threads reaped at the same time, the
        status would be lost for one of them.
        """
        if asyncio._get_running_loop() is self._loop:
            send_signal(self._process, number)
        elif not _has_ended(self._process):
            _kill(self._process, number)

    def _ended(self) -> None:
        status = reap(self._process)
        if status is None:
            return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(status)
        # Last: if a signal handler raises before, the loop calls the method again.
        self._close()

    def _wait_in_thread(self) -> None:
        if hasattr(os, "waitid"):
            # Only the thread of the loop reaps. ChildProcessError: another part of the program has reaped the child.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        try:
            schedule_repeatedly(self._loop.call_soon_threadsafe, self._ended)
        except RuntimeError:
            # The loop is closed.
            reap(self._process)

    def _close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        # The loop was closed before the process has ended.
        if self._descriptor >= 0:
            os.close(self._descriptor)


def reap(process: subprocess.Popen[Any]) -> int | None:
    """Return the exit status of ``process``, or None if it has not ended.

    The status is lost if another part of the program has waited for the process, or SIGCHLD is ignored. For a lost
    status, the function returns 255, as asyncio does; on macOS with Python before 3.13, it returns 0.
    """
    if not hasattr(os, "waitid"):
        # macOS before Python 3.13: a thread waits by Popen.wait(), with which poll() shares a lock. A lost status is 0.
        return process.poll()
    # Not poll(): for a lost status, it returns 0, which means success.
    status: int | None = process.returncode
    if status is None:
        try:
            pid, encoded = os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            status = process.returncode = LOST_STATUS
            logger.warning(
                "exit status of child %d is unknown: reaped by other code, or SIGCHLD is ignored; reporting 255",
                process.pid,
            )
        else:
            if pid:
                status = process.returncode = os.waitstatus_to_exitcode(encoded)
    return status


def _has_ended(process: subprocess.Popen[Any]) -> bool:
    """Return True if ``process`` has ended. Do not reap it if the system allows that."""
    if process.returncode is not None or not hasattr(os, "waitid"):
        return reap(process) is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def send_signal(process: subprocess.Popen[Any], number: int) -> None:
    """Send the signal ``number`` to ``process``, unless it has ended. Raise PermissionError as ``os.kill``."""
    if reap(process) is None:
        _kill(process, number)


def _kill(process: subprocess.Popen[Any], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def stop_quietly(process: subprocess.Popen[Any], number: int) -> None:
    """Send a signal to ``process``. Do nothing if it has ended, or runs as another user, as a setuid program does."""
    with contextlib.suppress(PermissionError):
        send_signal(process, number)
