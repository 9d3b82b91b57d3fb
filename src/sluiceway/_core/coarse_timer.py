"""CoarseTimer: one timer for all time limits of an event loop, and TimeLimit, one of these limits.

A timer of the loop costs as much as a read. Most reads with a time limit end long before it, so start() and stop()
usually only set fields. A period is TIMEOUT_RESOLUTION / 2 seconds. At most one period after a limit was started, the
timer runs. This run gives each limit that was started since the previous run its deadline, counted from this run. So a
limit never expires early, although its start does not read the clock. The next run is at the first deadline, but not
before one period has passed. If another limit is started before, the next run is at most one period after that start. A
run that finds no started limit is the last one until start() is called.

The timer refers to its limits. A limit refers weakly to the object that it belongs to, so a time limit keeps no stream
alive.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
import weakref
from typing import Any

from .._constants import TIMEOUT_RESOLUTION
from .validation import as_seconds

# C numbers in the compiled build.
_PERIOD = TIMEOUT_RESOLUTION / 2
_NEVER = math.inf
# The queue may have this many more entries than twice the number of started limits.
_SPARE_ENTRIES = 64

_timers: weakref.WeakKeyDictionary[Any, CoarseTimer] = weakref.WeakKeyDictionary()


def timer_of(loop: Any) -> CoarseTimer:
    """Return the timer of ``loop``. The first call creates it."""
    timer = _timers.get(loop)
    if timer is None:
        timer = _timers[loop] = CoarseTimer(loop)
    return timer


def set_timer(loop: Any, timer: CoarseTimer | None) -> None:
    """Use ``timer`` for the time limits of ``loop`` that are created later; None for a new one. For tests."""
    if timer is None:
        _timers.pop(loop, None)
    else:
        _timers[loop] = timer


class TimeLimit:
    """A time limit for operations of ``target``, one at a time. The object is used again for each operation.

    At the expiry, the timer calls ``target._time_limit_expired(limit)``. If this returns False, because the operation
    is about to continue, each later run of the timer calls it again, until it returns True or stop() is called. If it
    raises, perhaps because of a signal handler, the next run calls it once more.

    - ``armed``: True between start() and stop() or the expiry.
    - ``operation``: the name of the operation. ``seconds``: its time limit.
    """

    __slots__ = (
        "_deadline",
        "_failed",
        "_queued_at",
        "_timer",
        "_unsettled",
        "armed",
        "operation",
        "seconds",
        "target_ref",
    )

    def __init__(self, timer: CoarseTimer, target: Any) -> None:
        self._timer = timer
        self.target_ref: Any = weakref.ref(target)
        self.operation = ""
        self.seconds = 0.0
        self.armed = False
        # Started since the last run of the timer, so that the deadline is not known.
        self._unsettled = False
        # The last call of the target has raised.
        self._failed = False
        self._deadline = 0.0
        # The time of this limit's entry in the queue of the timer, at or before the deadline. It is not moved when the
        # limit is started again.
        self._queued_at = _NEVER

    def start(self, seconds: Any, operation: str) -> None:
        """Begin ``operation``. It expires after ``seconds`` or up to TIMEOUT_RESOLUTION later, unless stop() is called.

        If another operation is still using the limit, call ``target._time_limit_busy(operation)``, which raises. Raise
        TypeError unless ``seconds`` is an int or float, and ValueError unless it is greater than 0 and a float can hold
        it; ``math.inf`` means no limit.
        """
        if self.armed:
            self.target_ref()._time_limit_busy(operation)
        if type(seconds) is not int and type(seconds) is not float:
            seconds = as_seconds(seconds, f"{operation}(): timeout", self.target_ref())
        try:
            value = float(seconds)
        except OverflowError:
            # Raises the error that names the argument.
            value = as_seconds(seconds, f"{operation}(): timeout", self.target_ref())
        if not value > 0:
            as_seconds(seconds, f"{operation}(): timeout", self.target_ref())
        if value == _NEVER:
            return
        if not self._unsettled:
            self._timer.add(self)
        self.seconds = value
        self.operation = operation
        self.armed = True
        self._timer.armed += 1

    def stop(self) -> None:
        """End the operation."""
        if self.armed:
            self.armed = False
            self._timer.armed -= 1


class CoarseTimer:
    """The timer of ``clock``, an event loop: it uses ``clock.time()`` and ``clock.call_later()``.

    ``armed``: the number of limits that are started. If it is 0, the next run schedules no other.
    """

    __slots__ = ("_clock_ref", "_context", "_count", "_handle", "_queue", "_sleeping", "_unsettled", "armed")

    def __init__(self, clock: Any) -> None:
        # A strong reference would keep the loop alive through the table of timers.
        self._clock_ref: Any = weakref.ref(clock)
        # An empty context. Otherwise the handle would keep that of the task that starts a limit alive.
        self._context = contextvars.Context()
        self.armed = 0
        # The limits that were started since the last run, each once.
        self._unsettled: list[TimeLimit] = []
        # A heap of (time, number, limit). An entry whose time is not the limit's _queued_at was replaced.
        self._queue: list[tuple[float, int, TimeLimit]] = []
        self._count = 0
        # None, or what leads to the handle of the next run: a weak reference, or the handle; see _run_after().
        self._handle: Any = None
        # True if the next run is at the first deadline, which is more than one period after the previous run.
        self._sleeping = False

    def time(self) -> float:
        """Return the time of the clock in seconds."""
        time: float = self._clock_ref().time()
        return time

    def add(self, limit: TimeLimit) -> None:
        """Let the next run, at most one period from now, give ``limit`` its deadline."""
        if self._handle is None or self._sleeping:
            self._run_soon()
        self._unsettled.append(limit)
        limit._unsettled = True

    def _run_soon(self) -> None:
        before = self._handle
        self._run_after(self._clock_ref(), _PERIOD)
        handle = before() if type(before) is weakref.ref else before
        if handle is not None:
            handle.cancel()
        self._sleeping = False

    def _run_after(self, clock: Any, delay: float) -> None:
        handle = clock.call_later(delay, self._run, context=self._context)
        # A loop of asyncio refers to the handle until the call. If the handle is freed before, an interrupt or a failed
        # allocation has prevented the call. Other loops may never refer to the object that call_later() returns.
        known = isinstance(handle, asyncio.TimerHandle)
        self._handle = weakref.ref(handle, self._run_lost) if known else handle

    def _run_lost(self, handle_ref: Any) -> None:
        """Called when the handle of a run was freed. If the handle has not called _run(), schedule the run again."""
        clock = self._clock_ref()
        if handle_ref is self._handle and clock is not None and not clock.is_closed():
            self._handle = None
            self._schedule(clock)

    def _run(self) -> None:
        clock = self._clock_ref()
        try:
            self._handle = None
            now = clock.time()
            self._settle(now)
            self._expire(now)
        finally:
            try:
                self._schedule(clock)
            except BaseException:
                # A signal handler may have raised, or memory may have run out.
                if self._handle is None:
                    self._run_after(clock, _PERIOD)
                raise

    def _settle(self, now: float) -> None:
        """Give the limits that were started since the last run their deadlines."""
        for limit in self._unsettled:
            limit._unsettled = False
            if limit.armed:
                limit._deadline = now + limit.seconds
                if limit._deadline < limit._queued_at:
                    self._enter(limit)
        # Last: if an interrupt ends the loop above, the next run gives the rest their deadlines.
        self._unsettled = []

    def _enter(self, limit: TimeLimit) -> None:
        """Put ``limit`` into the queue at its deadline."""
        self._count += 1
        heapq.heappush(self._queue, (limit._deadline, self._count, limit))
        limit._queued_at = limit._deadline

    def _expire(self, now: float) -> None:
        """Call the targets of the limits whose deadline has passed."""
        queue = self._queue
        again: list[TimeLimit] = []
        try:
            while queue and queue[0][0] <= now:
                at, _, limit = heapq.heappop(queue)
                if at != limit._queued_at:
                    continue
                limit._queued_at = _NEVER
                if not limit.armed or limit._unsettled:
                    continue
                if limit._deadline > now:
                    self._enter(limit)
                    continue
                repeat = not limit._failed
                limit._failed = True
                try:
                    limit.stop()
                    target = limit.target_ref()
                    repeat = target is not None and not target._time_limit_expired(limit)
                    limit._failed = False
                finally:
                    if repeat:
                        # The target may have started it again.
                        self.armed += not limit.armed
                        limit.armed = True
                        again.append(limit)
        finally:
            for limit in again:
                self._enter(limit)

    def _schedule(self, clock: Any) -> None:
        """Let the loop run the timer again, if a limit is started."""
        if self._handle is not None:
            # A limit was started by the target of another.
            return
        queue = self._queue
        if len(queue) > 2 * self.armed + _SPARE_ENTRIES or not self.armed:
            self._drop_stopped()
        if not self.armed:
            for limit in self._unsettled:
                limit._unsettled = False
            self._unsettled = []
            return
        delay = _PERIOD
        if not self._unsettled and queue:
            delay = max(delay, queue[0][0] - clock.time())
        self._sleeping = delay > _PERIOD
        self._run_after(clock, delay)

    def _drop_stopped(self) -> None:
        """Remove the entries of stopped limits, and replaced entries. Otherwise they would stay until their time."""
        kept = []
        for entry in self._queue:
            limit = entry[2]
            if limit.armed and entry[0] == limit._queued_at:
                kept.append(entry)
            elif not limit.armed:
                limit._queued_at = _NEVER
        heapq.heapify(kept)
        self._queue = kept
