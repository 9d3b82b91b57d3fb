"""Call a function in the thread of an event loop. The garbage collector may run a finalizer in any thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from .._constants import COLLECTION_SECONDS


def run_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call ``callback`` now if ``loop`` runs in this thread, else in the next iteration of ``loop``.

    If ``loop`` is closed, ``callback`` is not called.
    """
    if asyncio._get_running_loop() is loop:
        callback()
        return
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


def run_after_collection(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any) -> None:
    """Let ``loop`` call ``callback``. Called in a collection: the garbage collector has not run all finalizers yet.

    The next iteration of ``loop`` follows the collection, unless ``loop`` runs in another thread. In this case, it
    waits for COLLECTION_SECONDS. If ``loop`` is closed, ``callback`` is not called.
    """
    in_other_thread = loop.is_running() and asyncio._get_running_loop() is not loop
    with contextlib.suppress(RuntimeError):
        if in_other_thread:
            loop.call_soon_threadsafe(loop.call_later, COLLECTION_SECONDS, callback, *arguments)
        else:
            loop.call_soon_threadsafe(callback, *arguments)
