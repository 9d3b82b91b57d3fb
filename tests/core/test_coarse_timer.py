"""CoarseTimer: when time limits expire, when the timer runs, and what it refers to (contract D1)."""

import asyncio
import gc
import heapq
import math
import weakref
from typing import Any

import pytest

from sluiceway._constants import TIMEOUT_RESOLUTION
from sluiceway._implementation import core
from support.manual_clock import ManualClock


class Target:
    """Records the expiries. ``accepts``: whether the operation can be ended. ``interrupts``: how many calls raise."""

    def __init__(self) -> None:
        self.expired: list[tuple[str, float]] = []
        self.accepts = True
        self.interrupts = 0
        self.error: type[BaseException] = KeyboardInterrupt

    def _time_limit_expired(self, limit: Any) -> bool:
        if self.interrupts:
            self.interrupts -= 1
            raise self.error
        if self.accepts:
            self.expired.append((limit.operation, limit.seconds))
        return self.accepts

    def _time_limit_busy(self, operation: str) -> None:
        raise RuntimeError(f"{operation} while busy")

    def _describe(self) -> str:
        return "target"


class Limits:
    """A timer with a ManualClock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timer = core.CoarseTimer(self.clock)

    def limit(self) -> tuple[Any, Target]:
        target = Target()
        return core.TimeLimit(self.timer, target), target


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.mark.parametrize("start_after", [0, 0.4 * TIMEOUT_RESOLUTION, 0.5 * TIMEOUT_RESOLUTION, 7])
def test_limit_expires_within_the_resolution_and_never_early(limits: Limits, start_after: float) -> None:
    """Whatever the phase of the timer at the start is."""
    other, _ = limits.limit()
    other.start(1000, "other")
    limits.clock.advance(start_after)
    limit, target = limits.limit()
    limit.start(5, "read")
    limits.clock.advance(4.999)
    assert target.expired == []
    limits.clock.advance(0.001 + TIMEOUT_RESOLUTION)
    assert target.expired == [("read", 5.0)]


def test_limit_that_was_started_while_the_loop_was_blocked_is_not_early(limits: Limits) -> None:
    """The time of the last run of the timer is too old to count from."""
    other, _ = limits.limit()
    other.start(1000, "other")
    limits.clock.now += 30
    limit, target = limits.limit()
    limit.start(5, "read")
    limits.clock.block(0)
    limits.clock.advance(4.99)
    assert target.expired == []
    limits.clock.advance(TIMEOUT_RESOLUTION)
    assert target.expired


def test_stopped_limit_does_not_expire(limits: Limits) -> None:
    limit, target = limits.limit()
    limit.start(5, "read")
    limit.stop()
    limits.clock.advance(10)
    limit.start(5, "read")
    limits.clock.advance(3)
    limit.stop()
    limit.stop()
    limits.clock.advance(10)
    assert target.expired == []


@pytest.mark.parametrize(("first", "second"), [(100, 5), (5, 100)])
def test_restarted_limit_counts_from_its_last_start(limits: Limits, first: float, second: float) -> None:
    """The entry of the first start, earlier or later than the second deadline, does not decide."""
    limit, target = limits.limit()
    limit.start(first, "first")
    limits.clock.advance(3)
    limit.stop()
    limit.start(second, "second")
    limits.clock.advance(second - 0.001)
    assert target.expired == []
    limits.clock.advance(0.001 + TIMEOUT_RESOLUTION)
    assert target.expired == [("second", second)]


def test_many_limits_expire_in_the_order_of_their_deadlines(limits: Limits) -> None:
    made = [(seconds, *limits.limit()) for seconds in (9, 1, 5, 3, 7)]
    for seconds, limit, _ in made:
        limit.start(seconds, "read")
    for passed in range(1, 10):
        limits.clock.advance(1)
        limits.clock.advance(TIMEOUT_RESOLUTION if passed == 1 else 0)
        assert {seconds for seconds, _, target in made if target.expired} == {
            seconds for seconds, _, _ in made if seconds <= passed
        }


def test_timer_stops_when_no_limit_is_started(limits: Limits) -> None:
    limit, _ = limits.limit()
    assert limits.clock.scheduled == []
    limit.start(5, "read")
    assert len(limits.clock.scheduled) == 1
    limit.stop()
    limits.clock.advance(TIMEOUT_RESOLUTION)
    assert limits.clock.scheduled == []
    limit.start(5, "read")
    limits.clock.advance(5 + TIMEOUT_RESOLUTION)
    assert limits.clock.scheduled == []


def test_timer_sleeps_until_the_first_deadline(limits: Limits) -> None:
    """A loop that waits for one distant deadline is not woken in between."""
    limit, target = limits.limit()
    limit.start(3600, "read")
    limits.clock.advance(3600)
    assert limits.clock.runs == 1
    limits.clock.advance(TIMEOUT_RESOLUTION)
    assert target.expired
    assert limits.clock.runs == 2


def test_busy_loop_runs_the_timer_once_per_period(limits: Limits) -> None:
    """Whatever the number of operations is; and a limit that is started again has one entry."""
    limit, _ = limits.limit()
    for _ in range(1000):
        limit.start(5, "read")
        limit.stop()
        limits.clock.advance(TIMEOUT_RESOLUTION / 1000)
    assert limits.clock.runs <= 3


def test_operation_that_cannot_be_ended_yet_is_called_again(limits: Limits) -> None:
    limit, target = limits.limit()
    target.accepts = False
    limit.start(5, "read")
    limits.clock.advance(6)
    assert limit.armed
    target.accepts = True
    limits.clock.advance(TIMEOUT_RESOLUTION)
    assert target.expired == [("read", 5.0)]
    assert not limit.armed


def test_limit_restarted_by_the_expiry_of_another_is_not_early(limits: Limits) -> None:
    first, expiring = limits.limit()
    second, target = limits.limit()

    def restart_second(limit: Any) -> bool:
        second.stop()
        second.start(5, "later read")
        return True

    expiring._time_limit_expired = restart_second  # type: ignore[method-assign]
    first.start(5, "first")
    second.start(5, "read")
    limits.clock.advance(9)
    assert target.expired == []
    limits.clock.advance(2)
    assert target.expired == [("later read", 5.0)]


def test_target_that_always_raises_is_stopped_and_does_not_stop_the_timer(limits: Limits) -> None:
    limit, target = limits.limit()
    broken, breaking = limits.limit()
    breaking.interrupts = 100
    breaking.error = ValueError
    broken.start(5, "broken")
    limit.start(5, "read")
    for _ in range(11):
        assert broken.armed
        with pytest.raises(ValueError):
            limits.clock.advance(6)
    limits.clock.advance(6)
    assert (breaking.interrupts, breaking.expired, broken.armed) == (89, [], False)
    assert target.expired == [("read", 5.0)]
    assert limits.clock.scheduled == []


def test_target_that_was_interrupted_many_times_expires(limits: Limits) -> None:
    limit, target = limits.limit()
    target.interrupts = 20
    limit.start(5, "read")
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            limits.clock.advance(6)
    limits.clock.advance(6)
    assert (target.expired, limit.armed) == ([("read", 5.0)], False)


def test_limit_whose_target_was_interrupted_expires_in_the_next_run(limits: Limits) -> None:
    limit, target = limits.limit()
    for operation in ("first", "second"):
        target.interrupts = 1
        limit.start(5, operation)
        with pytest.raises(KeyboardInterrupt):
            limits.clock.advance(6)
        limits.clock.advance(TIMEOUT_RESOLUTION)
    assert target.expired == [("first", 5.0), ("second", 5.0)]
    assert limits.clock.scheduled == []


@pytest.mark.parametrize("sleeping", [False, True])
def test_interrupt_before_a_run_of_the_timer_does_not_stop_it(limits: Limits, sleeping: bool) -> None:
    """KeyboardInterrupt or MemoryError in the handle of the loop, between two calls of the timer."""
    limit, target = limits.limit()
    limit.start(5, "read")
    if sleeping:
        limits.clock.advance(TIMEOUT_RESOLUTION)
    limits.clock.lose()
    gc.collect()
    assert len(limits.clock.scheduled) == 1
    limits.clock.advance(5 + TIMEOUT_RESOLUTION)
    assert target.expired == [("read", 5.0)]
    assert limits.clock.scheduled == []


def test_interrupt_within_a_run_of_the_timer_keeps_every_limit(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [limits.limit() for _ in range(2)]
    for limit, _ in both:
        limit.start(5, "read")
    push = heapq.heappush

    def interrupted(queue: Any, entry: Any) -> None:
        if entry[2] in (both[0][0], both[1][0]):
            raise KeyboardInterrupt
        push(queue, entry)

    monkeypatch.setattr("heapq.heappush", interrupted)
    with pytest.raises(KeyboardInterrupt):
        limits.clock.advance(TIMEOUT_RESOLUTION)
    monkeypatch.undo()
    for limit, _ in both:
        limit.stop()
        limit.start(5, "again")
    limits.clock.advance(5 + TIMEOUT_RESOLUTION)
    assert [target.expired for _, target in both] == [[("again", 5.0)]] * 2


def test_interrupt_while_the_next_run_is_scheduled_does_not_stop_the_timer(limits: Limits) -> None:
    limit, target = limits.limit()
    limit.start(5, "read")
    schedule = limits.clock.call_later

    def interrupted(*_: Any, **__: Any) -> None:
        limits.clock.call_later = schedule  # type: ignore[method-assign]
        raise KeyboardInterrupt

    limits.clock.call_later = interrupted  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        limits.clock.advance(TIMEOUT_RESOLUTION)
    limits.clock.advance(5 + TIMEOUT_RESOLUTION)
    assert target.expired == [("read", 5.0)]


async def test_handle_that_a_loop_drops_is_replaced_until_the_loop_is_closed() -> None:
    other = asyncio.SelectorEventLoop()
    target = Target()
    limit = core.TimeLimit(core.timer_of(other), target)
    limit.start(5, "read")
    scheduled: Any = other._scheduled  # type: ignore[attr-defined]
    scheduled.clear()
    gc.collect()
    assert len(scheduled) == 1
    other.close()
    gc.collect()
    assert (scheduled, target.expired) == ([], [])


def test_limit_in_use_raises_what_its_target_raises(limits: Limits) -> None:
    limit, target = limits.limit()
    limit.start(5, "first")
    with pytest.raises(RuntimeError, match="second while busy"):
        limit.start(1, "second")
    limits.clock.advance(6)
    assert target.expired == [("first", 5.0)]


@pytest.mark.parametrize(
    ("seconds", "error"), [(0, ValueError), (-1.5, ValueError), (math.nan, ValueError), ("5", TypeError)]
)
def test_invalid_seconds_raise_and_start_nothing(limits: Limits, seconds: Any, error: type[Exception]) -> None:
    limit, _ = limits.limit()
    with pytest.raises(error, match=r"^read\(\): timeout .*(0|-1\.5|nan|'5') \(target\)$"):
        limit.start(seconds, "read")
    assert not limit.armed
    assert limits.clock.scheduled == []


def test_infinite_limit_never_expires(limits: Limits) -> None:
    limit, _ = limits.limit()
    limit.start(math.inf, "read")
    assert limits.clock.scheduled == []
    limit.stop()


def test_timer_keeps_no_target_and_no_stopped_limit_alive(limits: Limits) -> None:
    """A program with distant time limits and many short connections would otherwise grow."""
    kept, _ = limits.limit()
    kept.start(7200, "kept")
    references = []
    for _ in range(300):
        limit, target = limits.limit()
        limit.start(3600, "read")
        references.append(weakref.ref(target))
        limits.clock.advance(TIMEOUT_RESOLUTION)
        limit.stop()
    del limit, target
    limits.clock.advance(TIMEOUT_RESOLUTION)
    gc.collect()
    assert not any(reference() for reference in references)
    queued = [one for one in gc.get_referents(limits.timer) if isinstance(one, list)]
    assert max(len(one) for one in queued) < 100


def test_limit_that_was_stopped_long_ago_expires_after_its_next_start(limits: Limits) -> None:
    """Its first entry, for an earlier time, was removed with those of other stopped limits."""
    other, _ = limits.limit()
    other.start(100_000, "other")
    limit, target = limits.limit()
    limit.start(3600, "first")
    limit.stop()
    for _ in range(300):
        stopped, _ = limits.limit()
        stopped.start(3600, "read")
        limits.clock.advance(TIMEOUT_RESOLUTION)
        stopped.stop()
    limit.start(7200, "second")
    limits.clock.advance(7200 + TIMEOUT_RESOLUTION)
    assert target.expired == [("second", 7200.0)]


async def test_timer_of_a_loop_is_one_and_keeps_no_loop_alive() -> None:
    loop = asyncio.get_running_loop()
    assert core.timer_of(loop) is core.timer_of(loop)
    other = asyncio.SelectorEventLoop()
    core.timer_of(other)
    reference = weakref.ref(other)
    other.close()
    del other
    gc.collect()
    assert reference() is None


class ClockWithoutWeakReferences:
    __slots__ = ("_clock",)

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)


def test_limit_expires_on_a_loop_without_weak_references() -> None:
    clock = ManualClock()
    target = Target()
    limit = core.TimeLimit(core.timer_of(ClockWithoutWeakReferences(clock)), target)
    limit.start(5, "read")
    clock.advance(5 + 2 * TIMEOUT_RESOLUTION)
    assert target.expired == [("read", 5)]
