"""CoarseTimer: one timer for all time limits of an event loop, and TimeLimit, one of these limits.

A timer of the loop costs as much as a read, and most reads end long before their time limit. Therefore start() and
stop() usually only set fields. A period is TIMEOUT_RESOLUTION / 2 seconds.

- A run of the timer gives a deadline to each limit that was started since the previous run: the time of this run, plus
  the seconds of the limit. So a limit never expires early, although its start does not read the clock.
- The next run is at the first deadline, but not before one period has passed. If another limit is started before that,
  the next run is at most one period after that start.
- After a run that finds no started limit, the timer does not run until start() is called.

A signal handler may raise wherever Python code runs, as for SIGINT, even several times. Each run first schedules the
next one, which then repeats what the exception has prevented. For this reason, an expired limit gets its entry for the
next run before the target is called, and only then is its old entry removed from the queue.

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
# How often a target is called again that has raised an Exception.
_REPETITIONS = 10

_timers: weakref.WeakKeyDictionary[Any, CoarseTimer] = weakref.WeakKeyDictionary()


def timer_of(loop: Any) -> CoarseTimer:
    """Return the timer of ``loop``. The first call creates it; each call does if the loop has no weak references."""
    try:
        timer = _timers.get(loop)
        if timer is None:
            timer = _timers[loop] = CoarseTimer(loop)
    except TypeError:
        timer = CoarseTimer(loop)
    return timer


def set_timer(loop: Any, timer: CoarseTimer | None) -> None:
    """Use ``timer`` for the time limits of ``loop`` that are created later; None for a new one. For tests."""
    if timer is None:
        _timers.pop(loop, None)
    else:
        _timers[loop] = timer


class TimeLimit:
    """A time limit for operations of ``target``, one at a time. The object is used again for each operation.

    ``target`` refers to the limit, and the limit to ``target`` weakly: after ``target`` is freed, nothing is called.

    At the expiry, the timer calls ``target._time_limit_expired(limit)``. Each later run of the timer repeats the call,
    until the call returns True or stop() is called. The target returns False if the operation is about to continue. A
    call that raises is repeated as well, because a signal handler may have raised; after the eleventh Exception in a
    row, the limit is stopped. The target may call start(), to have more time.

    - ``armed``: True from start() until stop(), or until the call at the expiry has returned True. start() with
      ``math.inf`` does not set it.
    - ``operation``: the name of the operation. ``seconds``: its time limit.
    """

    __slots__ = (
        "_deadline",
        "_expiring",
        "_failures",
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
        # The target is being called, or its last call has raised.
        self._expiring = False
        # How many calls of the target in a row have raised an Exception.
        self._failures = 0
        self._deadline = 0.0
        # The time of this limit's entry in the queue of the timer, at or before the deadline. It is not moved when the
        # limit is started again.
        self._queued_at = _NEVER

    def start(self, seconds: Any, operation: str) -> None:
        """Begin ``operation``. The limit expires after ``seconds`` or up to TIMEOUT_RESOLUTION later, unless stop() is
        called.

        If another operation is still using the limit, call ``target._time_limit_busy(operation)``, which raises. Raise
        TypeError unless ``seconds`` is an int or float, and ValueError unless it is greater than 0 and a float can hold
        it; ``math.inf`` means no limit.
        """
        if self.armed and not self._expiring:
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
        if not self.armed:
            self.armed = True
            self._timer.armed += 1

    def stop(self) -> None:
        """End the operation, so that the limit does not expire. May be called again, or without start()."""
        self._expiring = False
        if self.armed:
            self.armed = False
            self._timer.armed -= 1


class CoarseTimer:
    """The timer of ``clock``, an event loop: it uses ``clock.time()`` and ``clock.call_later()``.

    The timer refers to the loop weakly. The table of timer_of() refers to the timer until the loop is freed.

    ``armed``: the number of limits that are started. If it is 0, the next run schedules no other.
    """

    __slots__ = ("_clock_ref", "_context", "_count", "_handle", "_queue", "_sleeping", "_unsettled", "armed")

    def __init__(self, clock: Any) -> None:
        # A strong reference would keep the loop alive through the table of timers.
        try:
            self._clock_ref: Any = weakref.ref(clock)
        except TypeError:
            # It has no weak references, so the timer is not in the table.
            self._clock_ref = lambda: clock
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
        """Let the next run, at most one period from now, give ``limit`` its deadline.

        Not to be called again before that run.
        """
        handle = self._handle
        if handle is None or self._sleeping or (type(handle) is weakref.ref and handle() is None):
            self._run_soon()
        self._unsettled.append(limit)
        limit._unsettled = True

    def _run_soon(self) -> None:
        before = self._handle
        self._run_after(self._clock_ref(), _PERIOD)
        self._sleeping = False
        _cancel(before)

    def _run_after(self, clock: Any, delay: float) -> None:
        handle = clock.call_later(delay, self._run, context=self._context)
        # A loop of asyncio and uvloop refer to the handle until the call. If the handle is freed before, an interrupt
        # or a failed allocation has prevented the call. Other loops may never refer to what call_later() returns.
        known = isinstance(handle, asyncio.TimerHandle) or type(handle).__module__.startswith("uvloop.")
        self._handle = weakref.ref(handle, self._run_lost) if known else handle

    def _run_lost(self, handle_ref: Any) -> None:
        """Called when the handle of a run was freed. Schedule the next run, unless that run has done so."""
        clock = self._clock_ref()
        if handle_ref is self._handle and clock is not None and not clock.is_closed():
            self._run_after_period(clock)

    def _run_after_period(self, clock: Any) -> None:
        """Schedule the next run, one period from now. If that raises, try once more, and raise the first error.

        An interrupt or a failed allocation can end an attempt.
        """
        try:
            self._run_after(clock, _PERIOD)
        except BaseException:
            self._run_after(clock, _PERIOD)
            raise

    def _run(self) -> None:
        clock = self._clock_ref()
        if type(self._handle) is not weakref.ref:
            self._handle = None
        self._run_after_period(clock)
        self._sleeping = False
        now = clock.time()
        self._settle(now)
        self._expire(now)
        self._schedule(clock)

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
        """Put ``limit`` into the queue at its deadline. This replaces its previous entry."""
        self._count += 1
        heapq.heappush(self._queue, (limit._deadline, self._count, limit))
        limit._queued_at = limit._deadline

    def _expire(self, now: float) -> None:
        """Call the targets of the limits whose deadline has passed."""
        while self._queue and self._queue[0][0] <= now:
            entry = self._queue[0]
            at, _, limit = entry
            if at == limit._queued_at:
                if not limit.armed or limit._unsettled:
                    limit._queued_at = _NEVER
                elif limit._deadline > now:
                    self._enter(limit)
                else:
                    self._call_target(limit, now)
            if self._queue and self._queue[0] is entry:
                heapq.heappop(self._queue)

    def _call_target(self, limit: TimeLimit, now: float) -> None:
        # Whatever ends this call, the next run calls the target again, unless the limit is stopped.
        limit._deadline = math.nextafter(now, _NEVER)
        self._enter(limit)
        limit._expiring = True
        target = limit.target_ref()
        try:
            ended = target is None or target._time_limit_expired(limit)
        except Exception:
            limit._failures += 1
            if limit._failures > _REPETITIONS:
                limit._failures = 0
                limit.stop()
            raise
        limit._failures = 0
        limit._expiring = False
        # The target may have started it again.
        if ended and not limit._unsettled:
            limit.stop()

    def _schedule(self, clock: Any) -> None:
        """Called at the end of _run(), which has scheduled the next run one period after its own start.

        Cancel that run if ``armed`` is 0. If the first deadline is more than one period away, replace the run by one at
        that deadline. But leave the run unchanged if a limit was started after _settle() and so has no deadline yet:
        the run gives it one.
        """
        queue = self._queue
        if len(queue) > 2 * self.armed + _SPARE_ENTRIES or not self.armed:
            self._drop_stopped()
        before = self._handle
        if not self.armed:
            for limit in self._unsettled:
                limit._unsettled = False
            self._unsettled = []
            self._handle = None
            _cancel(before)
        elif not self._unsettled and self._queue:
            delay = self._queue[0][0] - clock.time()
            if delay > _PERIOD:
                # First: if an interrupt follows, the next limit that is started schedules another run.
                self._sleeping = True
                self._run_after(clock, delay)
                _cancel(before)

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


def _cancel(handle: Any) -> None:
    """Cancel a run. ``handle``: the handle of the run, a weak reference to the handle, or None."""
    if type(handle) is weakref.ref:
        handle = handle()
    if handle is not None:
        handle.cancel()
