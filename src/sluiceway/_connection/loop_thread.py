"""Call a function in the thread of an event loop. The garbage collector may run a finalizer in any thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

from .._constants import COLLECTION_SECONDS

_in_forked_child = False


def _forked() -> None:
    global _in_forked_child  # noqa: PLW0603 - of the process
    _in_forked_child = True


if hasattr(os, "register_at_fork"):
    # Windows has no fork.
    os.register_at_fork(after_in_child=_forked)


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any) -> None:
    """Let ``loop`` call ``callback`` in its next iteration. If ``loop`` is closed, ``callback`` is not called.

    A forked child may have closed the descriptor that wakes a loop of its parent, as a daemon does: on uvloop the write
    to this descriptor would abort the process, on asyncio's loop it could reach another file with the same number. So a
    loop that no thread of the child runs is not woken. One that this thread runs is, because a finalizer may run after
    the loop has computed how long it waits.
    """
    wakes = (
        not _in_forked_child
        or asyncio._get_running_loop() is loop
        or (loop.is_running() and threading.active_count() > 1)
    )
    with contextlib.suppress(RuntimeError):
        (loop.call_soon_threadsafe if wakes else loop.call_soon)(callback, *arguments)


def run_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call ``callback`` now if ``loop`` runs in this thread, else in the next iteration of ``loop``.

    If ``loop`` is closed, ``callback`` is not called.
    """
    if asyncio._get_running_loop() is loop:
        callback()
        return
    _call_soon(loop, callback)


def run_after_collection(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any) -> None:
    """Let ``loop`` call ``callback``. Called in a collection: the garbage collector has not run all finalizers yet.

    The next iteration of ``loop`` follows the collection, unless ``loop`` runs in another thread. In this case, it
    waits for COLLECTION_SECONDS. If ``loop`` is closed, ``callback`` is not called.
    """
    in_other_thread = loop.is_running() and asyncio._get_running_loop() is not loop
    if in_other_thread:
        _call_soon(loop, loop.call_later, COLLECTION_SECONDS, callback, *arguments)
    else:
        _call_soon(loop, callback, *arguments)
