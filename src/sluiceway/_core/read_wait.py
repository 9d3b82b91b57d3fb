"""The read that waits: one at a time, by name, from its first wait to its end (contract R9)."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn


class ReadWait:
    """``future``: what the read awaits, None where none waits. ``operation``: the name of the read.

    ``target_size``: bytes that the read needs before it can complete, beyond what flow control allows to be buffered;
    0 for one that takes whatever there is. ``max_size``: bytes that a pending ``read(n)`` takes at most. ``source``:
    a waiter of the transport that replaces the loop's futures, reused for all waits.
    """

    __slots__ = ("future", "max_size", "operation", "source", "target_size", "task")

    def __init__(self) -> None:
        self.operation: str | None = None
        self.task: asyncio.Task[Any] | None = None
        self.future: Any = None
        self.source: Any = None
        self.target_size = 0
        self.max_size = 0

    def begin(self, operation: str, loop: asyncio.AbstractEventLoop) -> Any:
        """Acquire the stream for ``operation`` until ``end()``; returns what it awaits."""
        self.operation = operation
        source = self.source
        if source is None:
            self.task = asyncio.current_task(loop)
            self.future = loop.create_future()
        else:
            self.future = source.begin()
        return self.future

    def end(self) -> None:
        """Release the stream."""
        self.future = None
        self.operation = None
        self.max_size = 0
        source = self.source
        if source is None:
            self.task = None
        else:
            source.end()

    def complete(self) -> None:
        """Complete the wait in the next turn of the loop."""
        future = self.future
        if future is not None:
            self.future = None
            if not future.done():
                future.set_result(None)

    def complete_now(self) -> None:
        """Complete the wait, on a transport that can do so at once without a turn of the loop."""
        future = self.future
        source = self.source
        if future is not None and future is source:
            self.future = None
            source.wake_now()
        else:
            self.complete()

    def raise_busy(self, operation: str) -> NoReturn:
        """Raise the error of a second read: ``operation``."""
        source = self.source
        task: Any = self.task if source is None else source.reading_task()
        current = f"{self.operation}()" if self.operation else "a read"
        by = f" of task {task.get_name()!r}" if hasattr(task, "get_name") else ""
        raise RuntimeError(
            f"{operation}() called while another coroutine is already waiting for incoming data: {current}{by}"
        )
