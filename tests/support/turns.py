"""Turns of the loop, counted or until something is so."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def turns(count: int = 3) -> None:
    """Let the loop turn ``count`` times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition()`` holds; the test's own time limit bounds it."""
    while not condition():
        await asyncio.sleep(0)


async def started(coroutine: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
    """Return a task of ``coroutine`` that has run to its first wait."""
    task = asyncio.create_task(coroutine, name=name)
    await asyncio.sleep(0)
    return task
