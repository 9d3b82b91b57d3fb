"""What a test must not leave behind.

A ``Watch`` is made before the loop and asked for its complaints after the loop is closed; the tasks and the calls of
the loop's exception handler are watched from inside by ``run_watched()``.
"""

import asyncio
import contextlib
import gc
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any

DESCRIPTORS = "/proc/self/fd"

# close() and cancel() take effect in the loop's next turns; what needs more than these is asked to end by itself
# before LINGER seconds are over, and only what does not is called left over.
TURNS = 10
LINGER = 1.0


class LitterError(AssertionError):
    """A test left something behind."""


def open_descriptors() -> set[tuple[int, str]]:
    """Return every open descriptor of this process with what it points to."""
    found = set()
    if os.path.isdir(DESCRIPTORS):
        for name in os.listdir(DESCRIPTORS):
            with contextlib.suppress(FileNotFoundError):  # the one that listed the directory
                found.add((int(name), os.readlink(f"{DESCRIPTORS}/{name}")))
    return found


class Watch:
    """What was there before a test, and what it has left behind since."""

    def __init__(self, loop_errors: list[dict[str, Any]]) -> None:
        self.loop_errors = loop_errors
        self.left_tasks: list[str] = []
        self.left_open: list[str] = []
        self._descriptors = open_descriptors()
        self._threads = set(threading.enumerate())

    def inner_complaints(self) -> list[str]:
        """Return a sentence for each task left over and each call of the exception handler."""
        found = [f"task left over: {task}" for task in self.left_tasks]
        found += [f"the loop's exception handler was called: {_describe(error)}" for error in self.loop_errors]
        return found

    def complaints(self) -> list[str]:
        """Return a sentence for each thing left behind. The loop is closed by now."""
        gc.collect()
        found = self.inner_complaints() + self.left_open
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


async def run_watched(body: Coroutine[Any, Any, Any], watch: Watch, limit: float) -> None:
    """Run a test's coroutine for at most ``limit`` seconds, then note the tasks that it left."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: watch.loop_errors.append(context))
    try:
        async with asyncio.timeout(limit):
            await body
    finally:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=LINGER)
        watch.left_tasks += [repr(task) for task in others if not task.done()]


def close_runner(runner: asyncio.Runner, watch: Watch) -> None:
    """Close the loop, and note what it warns of having been left open.

    uvloop closes what is open by asking it again and again, and hangs for good if its own warning is an exception.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        runner.close()
    watch.left_open += [f"{warning.category.__name__}: {warning.message}" for warning in warned]


@contextlib.contextmanager
def swept() -> Iterator[None]:
    """Collect the garbage made inside, and drop what it warns of: for failed tests, and those known to litter.

    A failed test's traceback keeps its sockets alive until later, and an innocent test would be blamed for them.
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
