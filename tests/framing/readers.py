"""Iterators over the readers of sluiceway and asyncio that a test feeds, and what their next item is."""

import asyncio
from collections.abc import Callable
from typing import Any

import sluiceway
from framing.expected_items import END
from support.scheduling import run_iterations

READERS: dict[str, Callable[[], Any]] = {
    "sluiceway": lambda: sluiceway.StreamReader(limit=16),
    "asyncio": lambda: asyncio.StreamReader(limit=16),
}
WAITING = "no item yet"


async def next_item(records: Any) -> Any:
    """Return the next item, END, the class of the exception, or WAITING after the wait was cancelled."""

    async def wait() -> Any:
        return await anext(records)

    task = asyncio.create_task(wait())
    await run_iterations()
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return WAITING
    error = task.exception()
    if error is None:
        return task.result()
    return END if isinstance(error, StopAsyncIteration) else type(error)
