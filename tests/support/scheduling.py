"""Iterations of the event loop: a number of them, until a condition holds, or until a task first waits."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def run_iterations(count: int = 3) -> None:
    """Let the loop run ``count`` iterations."""
    for _ in range(count):
        await asyncio.sleep(0)


async def wait_until(condition: Callable[[], object]) -> None:
    """Let the loop run until ``condition()`` is true; the test's own timeout bounds it."""
    while not condition():
        await asyncio.sleep(0)


async def start_task(coroutine: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
    """Return a task that has run ``coroutine`` up to its first wait."""
    task = asyncio.create_task(coroutine, name=name)
    await asyncio.sleep(0)
    return task
