"""CoarseTimer: interrupts at any place of its runs, one or several, prevent no expiry (contract D1)."""

import contextlib
import itertools
import types
from typing import Any

import pytest

from sluiceway._constants import TIMEOUT_RESOLUTION
from sluiceway._implementation import core
from support.interrupts import Interrupt
from support.manual_clock import ManualClock


class Target:
    """``restarts``: how often it starts the limit again. ``refuses``: how often its operation cannot be ended yet."""

    def __init__(self, restarts: int = 0, refuses: int = 0) -> None:
        self.restarts = restarts
        self.refuses = refuses
        self.expired = 0

    def _time_limit_expired(self, limit: Any) -> bool:
        if self.restarts:
            self.restarts -= 1
            limit.start(limit.seconds, "again")
            return True
        if self.refuses:
            self.refuses -= 1
            return False
        self.expired += 1
        return True


def in_timer(frame: types.FrameType) -> bool:
    name = frame.f_code.co_name
    # The interpreter ignores an exception in a callback of a weak reference.
    return name != "_run_lost" and (
        frame.f_code.co_filename.endswith("coarse_timer.py") or name in ("_time_limit_expired", "call_later")
    )


def interrupted_at(first: int, second: int, error: type[BaseException]) -> tuple[bool, str]:
    """Interrupt the runs of a timer at two places. Return whether each limit has expired, and the second place."""
    clock = ManualClock()
    timer = core.CoarseTimer(clock)
    targets = [Target(), Target(restarts=1), Target(refuses=2)]
    for target in targets:
        core.TimeLimit(timer, target).start(1, "read")
    interrupts = [Interrupt(first, error, in_timer), Interrupt(second, error, in_timer)]
    for _ in range(20):
        for interrupt in interrupts:
            if not interrupt.at:
                with contextlib.suppress(error), interrupt.active():
                    clock.advance(TIMEOUT_RESOLUTION / 2)
                break
        else:
            clock.advance(TIMEOUT_RESOLUTION / 2)
        clock.now += 0.3
    return all(target.expired for target in targets) and not timer.armed, interrupts[1].at


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_two_interrupts_prevent_no_expiry(error: type[BaseException]) -> None:
    """An exception of a signal handler at each place, and another at a later one."""
    places = set()
    for apart in (0, 2, 9):
        for number in itertools.count():
            expired, at = interrupted_at(number, apart, error)
            assert expired, f"the second interrupt at {at}"
            places.add(at)
            if not at:
                break
    assert len(places) > 3
