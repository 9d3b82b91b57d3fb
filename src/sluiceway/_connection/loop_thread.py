"""Leave a call to the thread that a loop runs in: the garbage collector runs finalizers in any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


def run_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call ``callback`` now where ``loop`` runs in this thread, else have the loop call it in its next turn.

    A loop that is closed calls nothing any more.
    """
    if asyncio._get_running_loop() is loop:
        callback()
        return
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
