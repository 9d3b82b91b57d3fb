"""Call a function in the thread of an event loop. The garbage collector may run a finalizer in any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


def run_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call ``callback`` now if ``loop`` runs in this thread, else in the next iteration of ``loop``.

    If ``loop`` is closed, ``callback`` is not called.
    """
    if asyncio._get_running_loop() is loop:
        callback()
        return
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
