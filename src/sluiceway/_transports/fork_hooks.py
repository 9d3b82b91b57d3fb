"""The Steppers of the compiled core: what they do before and after a fork, and after their loop was closed.

At a fork, they send or drop corked writes, so that each is sent only once.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Any

# Weak references to all steppers of this process. Several threads may add and remove some at the same time. Each use of
# the set is therefore a single call in C, which is atomic. A WeakSet is written in Python and raises in this case.
_steppers: set[weakref.ref[Any]] = set()


def register_stepper(stepper: Any) -> None:
    """Call methods of ``stepper`` at each later fork of this process, until the stepper is freed.

    Before a fork, the parent process calls ``stepper._flush_own_thread()``, which sends the writes that the forking
    thread has corked. After the fork, the child process calls ``stepper._forked()``, which drops the other corked
    writes.
    """
    _steppers.add(weakref.ref(stepper, _steppers.discard))


def leave_closed_loops() -> None:
    """Break the reference cycles between steppers and their closed loops. Call this when a loop has got its stepper.

    A program that calls ``asyncio.run()`` again and again then keeps no more than the last loop, even if it has turned
    the garbage collector off.
    """
    for reference in _steppers.copy():
        if (stepper := reference()) is not None:
            # is_closed() of a program's loop may raise in another thread.
            with contextlib.suppress(Exception):
                stepper._leave_closed_loop()


def _before_fork() -> None:
    for reference in _steppers.copy():
        if (stepper := reference()) is not None:
            stepper._flush_own_thread()


def _after_fork() -> None:
    for reference in _steppers.copy():
        if (stepper := reference()) is not None:
            stepper._forked()


if hasattr(os, "register_at_fork"):
    # Windows has no fork.
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
