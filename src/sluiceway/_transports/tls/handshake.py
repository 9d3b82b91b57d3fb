"""Handshake: the timeout of a TLS handshake, and its result for the waiting coroutine or the failure callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Handshake:
    """The state of one TLS handshake. ``ended``: True after the handshake has succeeded or failed.

    The argument ``seconds`` is the timeout. The argument ``on_failure`` is a function that is called with the error of
    a failed handshake, or None.
    """

    __slots__ = ("_error", "_loop", "_on_failure", "_seconds", "_timer", "_waiter", "ended")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        on_failure: Callable[[BaseException], None] | None,
    ) -> None:
        self.ended = False
        self._loop = loop
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_failure = on_failure

    def start_timer(self, fail: Callable[[BaseException], None]) -> None:
        """Start the timeout. If the handshake does not end in time, call ``fail`` with a ConnectionAbortedError."""
        self._timer = self._loop.call_later(self._seconds, self._timed_out, fail)

    def _timed_out(self, fail: Callable[[BaseException], None]) -> None:
        self._timer = None
        fail(
            ConnectionAbortedError(
                f"SSL handshake is taking longer than {self._seconds:g} seconds: aborting the connection"
            )
        )

    def stop_timer(self) -> None:
        """Stop the timeout. Called when the handshake or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def wait(self) -> None:
        """Wait until the handshake is complete. Raise the error of a failed handshake. One call may wait at a time."""
        waiter = self._loop.create_future()
        if self._error is not None:
            waiter.set_exception(self._error)
            self._error = None
        elif self.ended:
            return
        else:
            self._waiter = waiter
        try:
            await waiter
        finally:
            # Breaks a reference cycle: the traceback of the error refers to this frame.
            self._waiter = None
            del waiter

    def is_awaited(self) -> bool:
        """Return True while a coroutine is in wait(): it waits, or it was woken and has not continued yet."""
        return self._waiter is not None

    def wait_cancelled(self) -> bool:
        """Return True if the coroutine in wait() was cancelled, and has not continued yet."""
        return self._waiter is not None and self._waiter.cancelled()

    def report(self, error: BaseException | None) -> None:
        """Record the end of the handshake: its ``error``, or None for success. Only the first call has an effect.

        Wake the coroutine that waits in wait(). If there is an error, call ``on_failure`` with it.
        """
        if self.ended:
            return
        waiter = self._waiter
        if waiter is None:
            self._error = error
        else:
            try:
                if not waiter.done():
                    waiter.set_result(None) if error is None else waiter.set_exception(error)
            finally:
                self.ended = waiter.done()
        on_failure = self._on_failure
        if error is not None and on_failure is not None:
            self._error = None
            on_failure(error)
        self._on_failure = None
        # Last: if a signal handler raises before, the end of the connection calls the method again.
        self.ended = True
