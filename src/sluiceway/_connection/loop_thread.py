"""Call a function in the thread of a loop. The garbage collector may run a finalizer in any other thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


def run_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call ``callback`` now if ``loop`` runs in this thread, else in the next iteration of the loop.

    If the loop is closed, ``callback`` is not called.
    """
    if asyncio._get_running_loop() is loop:
        callback()
        return
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
