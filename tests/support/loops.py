"""The kinds of event loop on which every async test runs."""

import asyncio
import functools
import importlib.util
import math
import sys
from collections.abc import Callable

LOOP_KINDS = ("asyncio", "debug", "uvloop", *(("eager",) if sys.version_info >= (3, 12) else ()))

# Frames that a loop in debug mode records for each handle and task. asyncio's default of 10 took a sixth of the time of
# the suite, and no test needs them.
asyncio.constants.DEBUG_STACK_DEPTH = 3  # type: ignore[attr-defined]

HAS_UVLOOP = importlib.util.find_spec("uvloop") is not None


def _plain() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop()


def _debug() -> asyncio.AbstractEventLoop:
    loop = asyncio.SelectorEventLoop()
    loop.slow_callback_duration = math.inf  # a slow machine must not fail a test
    return loop


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.SelectorEventLoop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


_FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": _plain,
    "debug": _debug,
    "uvloop": _uvloop,
    "eager": _eager,
}


@functools.cache
def warm_up(kind: str) -> None:
    """Run one loop of this kind, so that objects it keeps for the whole process (libuv's signal pipe) exist."""
    with new_runner(kind) as runner:
        runner.run(asyncio.sleep(0))


def new_runner(kind: str) -> asyncio.Runner:
    """Return a runner for a loop of this kind; the loop is made at the first use."""
    return asyncio.Runner(debug=kind == "debug", loop_factory=_FACTORIES[kind])
