"""The TLS handshake: its time limit, and its result for the coroutine that waits for it or for a failure callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Handshake:
    """``ended``: the result is known. ``on_failure`` is called with the error of a failed handshake."""

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
        """Call ``fail`` with an error if the handshake has not ended in time."""
        self._timer = self._loop.call_later(self._seconds, self._timed_out, fail)

    def _timed_out(self, fail: Callable[[BaseException], None]) -> None:
        self._timer = None
        fail(
            ConnectionAbortedError(
                f"SSL handshake is taking longer than {self._seconds:g} seconds: aborting the connection"
            )
        )

    def stop_timer(self) -> None:
        """The handshake has ended, or the connection has."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def wait(self) -> None:
        """Return when the handshake is complete; raise the error that it failed with."""
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
            # The traceback of the error refers to this frame: no reference cycle through it.
            self._waiter = None
            del waiter

    def wait_cancelled(self) -> bool:
        """Whether the coroutine that waited was cancelled."""
        return self._waiter is not None and self._waiter.cancelled()

    def report(self, error: BaseException | None) -> None:
        """The handshake has ended, with ``error`` or without. Only the first call has an effect."""
        if self.ended:
            return
        self.ended = True
        waiter = self._waiter
        if waiter is None:
            self._error = error
        elif not waiter.done():
            waiter.set_result(None) if error is None else waiter.set_exception(error)
        on_failure, self._on_failure = self._on_failure, None
        if error is not None and on_failure is not None:
            self._error = None
            on_failure(error)
