"""The waiting read. One read at a time owns the stream, from its first wait to its end (contract R9)."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn


class ReadWait:
    """The state of the waiting read.

    - ``future``: the future that the read awaits; None if no read waits.
    - ``operation``: the name of the read, for the error of a second read.
    - ``target_size``: the bytes that a large read needs before it can complete. They may exceed the bound of flow
      control. 0 for a read without a fixed size.
    - ``max_size``: the largest result of a waiting ``read(n)``, in bytes.
    - ``source``: the reusable waiter of the engine, which replaces the futures of the loop; else None.
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
        """Acquire the stream for ``operation`` until ``end()``. Returns the future to await."""
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
        """Complete the wait. The task continues in the next iteration of the loop."""
        future = self.future
        if future is not None:
            self.future = None
            if not future.done():
                future.set_result(None)

    def complete_now(self) -> None:
        """Complete the wait. On the engine, the task continues within this call."""
        future = self.future
        source = self.source
        if future is not None and future is source:
            self.future = None
            source.wake_now()
        else:
            self.complete()

    def raise_busy(self, operation: str) -> NoReturn:
        """Raise the error of a second read. ``operation``: the name of its method."""
        source = self.source
        task: Any = self.task if source is None else source.reading_task()
        current = f"{self.operation}()" if self.operation else "a read"
        by = f" of task {task.get_name()!r}" if hasattr(task, "get_name") else ""
        raise RuntimeError(
            f"{operation}() called while another coroutine is already waiting for incoming data: {current}{by}"
        )
