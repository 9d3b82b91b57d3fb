"""Tasks with a name, on loops and task factories that know nothing of names.

asyncio's streams call ``create_task`` with the coroutine alone. Task factories of two parameters and loops of other
projects rely on that, so the name is set afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def create_named_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], name: str
) -> asyncio.Task[Any]:
    """Run ``coroutine`` as a task; set its name if it has ``set_name``. A refused coroutine is closed.

    Under an eager task factory the first step runs before the name is set.
    """
    try:
        task = loop.create_task(coroutine)
    except BaseException:
        # Or the interpreter would warn that nobody awaited it.
        coroutine.close()
        raise
    if hasattr(task, "set_name"):
        task.set_name(name)
    return task
