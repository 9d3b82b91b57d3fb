"""Checks that a test leaves no task, thread or descriptor behind.

A ``LeakCheck`` is made before the loop, and lists the leaks after the loop is closed. ``run_checked()`` collects the
leaked tasks and the calls of the loop's exception handler from inside the loop.
"""

import asyncio
import contextlib
import gc
import sys
import threading
import traceback
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any

from support.file_descriptors import open_descriptors
from support.timeouts import TEST_TIMEOUT

# close() and cancel() take effect in the next iterations of the loop. A task that needs more of them has
# TASK_END_TIMEOUT seconds to end by itself, or a third of a shorter timeout of the test; then it counts as leaked.
ITERATIONS = 10
TASK_END_TIMEOUT = TEST_TIMEOUT / 3


class LeakError(AssertionError):
    """A test left something behind."""


class LeakCheck:
    """The descriptors and threads before a test, and what the test has leaked since."""

    def __init__(self, loop_errors: list[dict[str, Any]]) -> None:
        self.loop_errors = loop_errors
        self.leaked_tasks: list[str] = []
        self.unclosed: list[str] = []
        self._descriptors = open_descriptors()
        self._threads = set(threading.enumerate())

    def loop_leaks(self) -> list[str]:
        """Return a sentence for each task left over and each call of the exception handler."""
        found = [f"task left over: {task}" for task in self.leaked_tasks]
        found += [f"the loop's exception handler was called: {_describe(error)}" for error in self.loop_errors]
        return found

    def leaks(self) -> list[str]:
        """Return a sentence for each leak; the loop must be closed."""
        gc.collect()
        found = self.loop_leaks() + self.unclosed
        found += [f"thread left over: {thread!r}" for thread in set(threading.enumerate()) - self._threads]
        found += [
            f"descriptor left open: {number} -> {target}"
            for number, target in sorted(open_descriptors() - self._descriptors)
        ]
        return found


def _describe(context: dict[str, Any]) -> str:
    lines = [f"{key}: {value!r}" for key, value in context.items()]
    if (error := context.get("exception")) is not None:
        lines += [line.rstrip() for line in traceback.format_exception(error)]
    return "\n    ".join(lines)


async def run_checked(body: Coroutine[Any, Any, Any], check: LeakCheck, limit: float) -> None:
    """Run a test's coroutine for at most ``limit`` seconds, then record the tasks that it left."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: check.loop_errors.append(context))
    try:
        async with asyncio.timeout(limit):
            await body
    finally:
        for _ in range(ITERATIONS):
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=min(TASK_END_TIMEOUT, limit / 3))
        check.leaked_tasks += [repr(task) for task in others if not task.done()]


def close_runner(runner: asyncio.Runner, check: LeakCheck) -> None:
    """Close the loop, and record its warnings about unclosed objects.

    uvloop closes open handles repeatedly until none is left, and hangs if its warning about one raises an exception.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        runner.close()
    check.unclosed += [f"{warning.category.__name__}: {warning.message}" for warning in warned]


@contextlib.contextmanager
def discard_garbage() -> Iterator[None]:
    """Collect the garbage made in the block and ignore its warnings, after a failed test.

    The traceback of a failed test refers to its sockets until later, when another test would get the warnings.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        for name in ("last_exc", "last_value", "last_traceback", "last_type"):
            if hasattr(sys, name):
                delattr(sys, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
        sys.unraisablehook = hook
