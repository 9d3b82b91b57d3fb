"""ChildProcess: a child whose standard streams are Streams, and how it ends."""

from __future__ import annotations

import asyncio
import operator
import signal
import subprocess
from types import TracebackType
from typing import Self

from .asyncio_names import CHILD, explain_attributes
from .child_exit import ChildExit, stop_quietly
from .stream import Stream


class ChildProcess:
    """A child process that ``sluiceway.spawn()`` has started.

    ``async with`` calls ``aclose()`` at the end of the block. After an exception in the block, the child gets SIGTERM
    at once. After the block, the child has ended and is reaped, and its streams are closed, unless the end of the block
    was cancelled.

    Attributes:
        pid (int): the process id.
        stdio (Stream): sends to the child's standard input, and reads from its standard output. ``stdio.send_eof()``
            ends the input.
        stderr (Stream or None): reads from the child's standard error, if ``stderr=subprocess.PIPE`` was passed.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], child_exit: ChildExit, stdio: Stream, stderr: Stream | None, stop: float
    ) -> None:
        self._process = process
        self._exit = child_exit
        self._stop_timeout = stop
        self.pid: int = process.pid
        self.stdio: Stream = stdio
        self.stderr: Stream | None = stderr

    def __repr__(self) -> str:
        status = "running" if self.returncode is None else f"returncode={self.returncode}"
        return f"<{type(self).__name__} pid={self.pid} {status}>"

    @property
    def returncode(self) -> int | None:
        """The exit status, as ``wait()`` returns it; None while the child runs.

        After the end of the child, it may be None until the event loop has processed the end.
        """
        status: int | None = self._process.returncode
        return status

    async def wait(self) -> int:
        """Wait until the child has ended, and return its exit status; negative if a signal ended it.

        If another part of the program has reaped the child, or SIGCHLD is ignored, the status is lost: the call
        returns 255. On macOS with Python before 3.13, it returns 0.

        Some children end only after the program has read their output and closed their input. Any number of tasks may
        wait. Cancelling the call has no effect on the child.
        """
        return await self._exit.wait()

    def send_signal(self, number: int) -> None:
        """Send the signal ``number`` to the child, unless it has ended.

        Raises:
            PermissionError: the child runs as another user.
            TypeError: ``number`` is not an integer.
            ValueError: the system has no signal ``number``.
        """
        try:
            number = operator.index(number)
        except TypeError:
            raise TypeError(
                f"send_signal(): number argument must be an integer, such as signal.SIGHUP, "
                f"not {type(number).__name__!r}: {number!r} ({self!r})"
            ) from None
        if number and number not in signal.valid_signals():
            raise ValueError(f"send_signal(): {number} is not the number of a signal ({self!r})")
        self._exit.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM to the child, unless it has ended.

        Raises:
            PermissionError: the child runs as another user.
        """
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the child, unless it has ended.

        Raises:
            PermissionError: the child runs as another user.
        """
        self.send_signal(signal.SIGKILL)

    async def aclose(self) -> int:
        """End the child, wait for that, and return its exit status. A second call returns the same status.

        The streams are closed: the child reads the end of its input after what was sent, and its later writes fail
        (SIGPIPE). If it has not ended after ``stop_timeout`` seconds (see ``spawn()``), it gets SIGTERM; if it has not
        ended after ``stop_timeout`` seconds more, it gets SIGKILL. Data that it has not read when it ends is discarded.
        A child that runs as another user gets no signal: the call waits until it ends by itself. A cancelled call sends
        SIGKILL at once, and does not wait for the end.
        """
        return await self._end(patient=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the child as ``aclose()`` does. After an exception, SIGTERM is sent at once."""
        await self._end(patient=exc is None)

    async def _end(self, *, patient: bool) -> int:
        streams = [self.stdio] if self.stderr is None else [self.stdio, self.stderr]
        try:
            for stream in streams:
                stream._start_close(None, None)
            if not (patient and await self._ends_in_time()):
                stop_quietly(self._process, signal.SIGTERM)
                if not await self._ends_in_time():
                    stop_quietly(self._process, signal.SIGKILL)
            status = await self.wait()
            # A child of the child may have inherited the pipe, and may not read it.
            self.stdio.writer.transport.abort()
            for stream in streams:
                await stream.aclose()
            return status
        except BaseException:
            self._kill_quietly()
            raise

    def _kill_quietly(self) -> None:
        stop_quietly(self._process, signal.SIGKILL)

    async def _ends_in_time(self) -> bool:
        try:
            async with asyncio.timeout(self._stop_timeout):
                await self.wait()
        except TimeoutError:
            return False
        return True


explain_attributes(ChildProcess, CHILD)
