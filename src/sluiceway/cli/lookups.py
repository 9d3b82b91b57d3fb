"""Name lookups that can be abandoned.

The resolver of the C library cannot be interrupted, and an event loop waits for its worker threads when it ends:
with a name server that does not answer, ``--timeout 2`` would take half a minute. Threads that nobody waits for
keep the promise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AbandonableExecutor(ThreadPoolExecutor):
    """One daemon thread per call; shutting down waits for none of them.

    A subclass of ThreadPoolExecutor because ``loop.set_default_executor`` takes nothing else.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Start ``fn`` in a thread of its own."""
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="sluiceway lookup", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return at once, whatever ``wait`` says."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
