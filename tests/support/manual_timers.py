"""Timers of the loop that a test fires itself, so that a test of a timeout does not wait for it.

``with manual_timers(12345.0) as timers``: ``loop.call_later(12345.0, …)`` is kept in ``timers.pending`` and called by
``timers.fire()``. This applies only to timers of exactly this delay; use a value that no other timer has. Timers of
``loop.call_at()``, which ``asyncio.timeout(12345.0)`` uses, are kept if they are that far in the future.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class ManualTimer:
    """Returned by call_later()."""

    def __init__(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._call = call
        self._arguments = arguments
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def cancelled(self) -> bool:
        return self._cancelled

    def run(self) -> None:
        if not self._cancelled:
            self._call(*self._arguments)


class ManualTimers:
    """The timers that were started and neither fired nor cancelled."""

    def __init__(self) -> None:
        self._all: list[ManualTimer] = []

    @property
    def pending(self) -> list[ManualTimer]:
        self._all = [timer for timer in self._all if not timer.cancelled()]
        return list(self._all)

    def add(self, timer: ManualTimer) -> ManualTimer:
        self._all.append(timer)
        return timer

    def fire(self) -> int:
        """Fire the pending timers, each once; return how many there were."""
        pending = self.pending
        self._all = []
        for timer in pending:
            timer.run()
        return len(pending)


@contextlib.contextmanager
def manual_timers(delay: float) -> Iterator[ManualTimers]:
    """Keep the running loop's timers of ``delay`` seconds."""
    loop: Any = asyncio.get_running_loop()
    timers = ManualTimers()
    original, original_at = loop.call_later, loop.call_at

    def call_later(seconds: float, call: Callable[..., Any], *arguments: Any, context: Any = None) -> Any:
        if seconds == delay:
            return timers.add(ManualTimer(call, arguments))
        return original(seconds, call, *arguments, context=context)

    def call_at(when: float, call: Callable[..., Any], *arguments: Any, context: Any = None) -> Any:
        if abs(when - loop.time() - delay) < 1:
            return timers.add(ManualTimer(call, arguments))
        return original_at(when, call, *arguments, context=context)

    loop.call_later, loop.call_at = call_later, call_at
    try:
        yield timers
    finally:
        del loop.call_later, loop.call_at
