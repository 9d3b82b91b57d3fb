"""Timers of the loop that a test fires by hand, so that "nothing happened for so long" needs no waiting.

``with held_timers(12345.0) as timers``: ``loop.call_later(12345.0, …)`` is kept in ``timers.waiting`` and called by
``timers.fire()``. Only timers of exactly this delay; a value that nobody else uses is best.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class HeldTimer:
    """What call_later returned."""

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


class HeldTimers:
    """The timers that were started and neither fired nor cancelled."""

    def __init__(self) -> None:
        self._all: list[HeldTimer] = []

    @property
    def waiting(self) -> list[HeldTimer]:
        self._all = [timer for timer in self._all if not timer.cancelled()]
        return list(self._all)

    def add(self, timer: HeldTimer) -> HeldTimer:
        self._all.append(timer)
        return timer

    def fire(self) -> int:
        """Fire those that wait now, each once; return how many there were."""
        due = self.waiting
        self._all = []
        for timer in due:
            timer.run()
        return len(due)


@contextlib.contextmanager
def held_timers(delay: float) -> Iterator[HeldTimers]:
    """Keep the running loop's timers of ``delay`` seconds."""
    loop: Any = asyncio.get_running_loop()
    timers = HeldTimers()
    original = loop.call_later

    def call_later(seconds: float, call: Callable[..., Any], *arguments: Any, context: Any = None) -> Any:
        if seconds == delay:
            return timers.add(HeldTimer(call, arguments))
        return original(seconds, call, *arguments, context=context)

    loop.call_later = call_later
    try:
        yield timers
    finally:
        del loop.call_later
