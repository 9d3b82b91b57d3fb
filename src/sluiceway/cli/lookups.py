"""Name lookups that do not delay the end of the process.

The resolver of the C library cannot be interrupted, and an event loop waits for the threads of its executor when it is
closed. With a name server that does not respond, ``--timeout 2`` would take half a minute. Therefore each lookup runs
in a daemon thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AbandonableExecutor(ThreadPoolExecutor):
    """Runs each call in its own daemon thread. ``shutdown`` does not wait for the threads.

    It is a ThreadPoolExecutor because ``loop.set_default_executor`` requires one.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Start ``fn`` in a new thread."""
        future: Future[_T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - raised by the future
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="sluiceway lookup", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return immediately. ``wait`` has no effect."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
