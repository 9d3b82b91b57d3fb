"""AbandonableExecutor: name lookups that do not delay the end of the process.

The resolver of the C library cannot be interrupted, and asyncio.run() waits for the threads of the loop's executor. If
a name server does not respond, a command with ``--timeout 2`` would take half a minute. Therefore each lookup runs in a
daemon thread, for which nothing waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AbandonableExecutor(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own. ``shutdown()`` does not wait for the threads.

    The class derives from ThreadPoolExecutor because ``loop.set_default_executor`` requires one.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call ``fn`` in a new thread, and return the future of the result."""
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
        """Return without a wait for the threads, whatever ``wait`` is."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
