"""Create tasks with a name, on loops and task factories without a ``name`` argument as well.

asyncio's streams call ``create_task`` with the coroutine as the only argument. Task factories with two parameters and
loops of other projects rely on that, so the name is set after the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def create_named_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], name: str
) -> asyncio.Task[Any]:
    """Run ``coroutine`` as a task, and set the name if the task has ``set_name``.

    With an eager task factory, the first step runs before the name is set. If create_task() raises, the coroutine is
    closed.
    """
    try:
        task = loop.create_task(coroutine)
    except BaseException:
        # Prevents the RuntimeWarning "coroutine was never awaited".
        coroutine.close()
        raise
    if hasattr(task, "set_name"):
        task.set_name(name)
    return task
