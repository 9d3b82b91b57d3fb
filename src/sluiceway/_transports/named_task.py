"""Create tasks with a name, even if the loop or the task factory accepts no argument ``name``.

asyncio's streams call ``create_task`` with the coroutine as the only argument. Task factories with two parameters, and
event loops of other projects, rely on that. Therefore the name is set after the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def create_named_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], name: str
) -> asyncio.Task[Any]:
    """Create a task that runs ``coroutine``, set its name if the task has ``set_name()``, and return the task.

    With an eager task factory, the first step of the task runs before the name is set. If create_task() raises an
    Exception, the coroutine is closed.
    """
    try:
        task = loop.create_task(coroutine)
    except Exception:
        # Prevents the RuntimeWarning "coroutine was never awaited". Not after an interrupt, which may come just after
        # the creation of the task.
        coroutine.close()
        raise
    if hasattr(task, "set_name"):
        task.set_name(name)
    return task
