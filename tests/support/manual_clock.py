"""The clock of the running loop's time limits, which the test sets: no test of a timeout waits for it.

``with manual_clock() as clock``: the time limits of streams that are used in the block run by ``clock``.
``clock.advance(5)`` lets 5 seconds pass for them, and calls what expires.
"""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from sluiceway._implementation import core


class ManualHandle(asyncio.TimerHandle):
    """Returned by call_later(). Only the clock refers to it until the call, as a loop of asyncio does."""

    def __init__(self, at: float, call: Callable[[], Any]) -> None:
        self.at = at
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class ManualClock:
    """What a CoarseTimer uses of a loop. ``runs`` counts the calls of the timer."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.runs = 0
        self._scheduled: list[tuple[float, int, ManualHandle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def is_closed(self) -> bool:
        return False

    def call_later(self, delay: float, call: Callable[[], Any], *, context: object = None) -> ManualHandle:
        assert delay >= 0
        handle = ManualHandle(self.now + delay, call)
        heapq.heappush(self._scheduled, (handle.at, next(self._numbers), handle))
        return handle

    @property
    def scheduled(self) -> list[float]:
        """The times of the calls that are scheduled."""
        return [at for at, _, handle in sorted(self._scheduled) if not handle.is_cancelled]

    def lose(self) -> None:
        """Make none of the scheduled calls: each was interrupted before it began."""
        self._scheduled.clear()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, and make the calls that are scheduled for this time, each at its time."""
        end = self.now + seconds
        while self._scheduled and self._scheduled[0][0] <= end:
            self.now, _, handle = heapq.heappop(self._scheduled)
            if not handle.is_cancelled:
                self.runs += 1
                handle.call()
        self.now = end

    def block(self, seconds: float) -> None:
        """Let ``seconds`` pass in which the loop makes no call. Those that are scheduled are then late."""
        self.now += seconds
        late, self._scheduled = self._scheduled, []
        for _, _, handle in sorted(late):
            if not handle.is_cancelled:
                self.runs += 1
                handle.call()


@contextlib.contextmanager
def manual_clock() -> Iterator[ManualClock]:
    """Let the running loop's time limits that are created in the block use a ManualClock."""
    loop = asyncio.get_running_loop()
    clock = ManualClock()
    core.set_timer(loop, core.CoarseTimer(clock))
    try:
        yield clock
    finally:
        core.set_timer(loop, None)
