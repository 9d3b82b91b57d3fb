"""ReadWait: the state of the read that waits. While one read waits, another read raises RuntimeError.

Receiver derives from EndOfInput, EndOfInput from ReadFlowControl, and ReadFlowControl from ReadWait. So a Receiver is
one object. Four objects would take 0.2 KB more for each connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from .receive_interface import ReceiveInterface

if TYPE_CHECKING:
    from .connection_state import ConnectionState


def _add_wait(connection: ConnectionState, wait: ReadWait) -> None:
    """Let ``connection`` refer to ``wait`` while a read of another reader waits.

    A program has put a reader of its own before that of the connection, for example to decompress what arrives.
    """
    waiting = connection.waiting_read
    if type(waiting) is not list:
        connection.waiting_read = waiting = [waiting]
    waiting.append(wait)


def _remove_wait(connection: ConnectionState, wait: ReadWait) -> None:
    """Undo _add_wait(), or let ``connection`` drop the future of ``wait`` if its read has begun before all others."""
    waiting = connection.waiting_read
    if wait in waiting:
        waiting.remove(wait)
    elif not isinstance(waiting[0], ReadWait):
        del waiting[0]
    if not waiting:
        connection.waiting_read = None


class ReadWait(ReceiveInterface):
    """The part of a Receiver with the state of the read that waits.

    - ``connection``: the connection that the reader reads from, or None. It refers to the future while a read waits.
    - ``future``: the future that the read awaits; None if no read waits, and after the read was woken.
    - ``operation``: the name of the method that waits, until end_wait(); None if no read waits. ``task``: its task, if
      ``source`` is None. Both are for the error of a second read.
    - ``target_size``: the number of bytes that must be unread before an arrival wakes the read; 0 if each arrival wakes
      it. The bound of flow control is raised by this number.
    - ``max_size``: ``n`` of a waiting ``read(n)``, else 0.
    - ``source``: the Waiter of the reader, which is used again for each wait instead of a future of the loop; None in
      the pure core, and without a transport that can run tasks at once.
    """

    __slots__ = ("connection", "future", "max_size", "operation", "source", "target_size", "task")

    def __init__(self) -> None:
        self.connection: ConnectionState | None = None
        self.operation: str | None = None
        self.task: asyncio.Task[Any] | None = None
        self.future: Any = None
        self.source: Any = None
        self.target_size = 0
        self.max_size = 0

    def enter_wait(self, operation: str, loop: asyncio.AbstractEventLoop) -> Any:
        """Begin a wait of the method ``operation``, which ends with end_wait(). Return the future to await.

        The caller has found that no other read waits.
        """
        self.operation = operation
        source = self.source
        if source is None:
            try:
                self.task = asyncio.current_task(loop)
                self.future = loop.create_future()
            except BaseException:
                # No memory, or an exception of a signal handler.
                self.operation = self.task = None
                raise
        else:
            self.future = source.begin()
        connection = self.connection
        if connection is not None:
            if connection.waiting_read is None:
                connection.waiting_read = self.future
            else:
                try:
                    _add_wait(connection, self)
                except BaseException:
                    self.future = self.operation = self.task = None
                    if source is not None:
                        source.end()
                    raise
        return self.future

    def end_wait(self) -> None:
        """End the wait, so that another read can begin."""
        self.future = None
        self.operation = None
        self.max_size = 0
        connection = self.connection
        if connection is not None:
            if type(connection.waiting_read) is list:
                _remove_wait(connection, self)
            else:
                connection.waiting_read = None
        source = self.source
        if source is None:
            self.task = None
        else:
            source.end()

    def complete_wait(self) -> None:
        """Wake the waiting read, if any. Its task continues in the next iteration of the loop."""
        future = self.future
        if future is not None:
            if not future.done():
                future.set_result(None)
            # Last: a signal handler may raise before, and the end of the connection calls the method again.
            self.future = None

    def fail_wait(self, error: BaseException) -> bool:
        """Let the waiting read raise ``error``. Return False if no read waits, or its wait has completed."""
        future = self.future
        if future is None or future.done():
            return False
        future.set_exception(error)
        self.future = None
        return True

    def raise_busy(self, operation: str, stream: str = "") -> NoReturn:
        """Raise RuntimeError for a second read. The message names the method that waits and its task.

        ``operation``: the method of the second read. ``stream``: the description of the Stream that it reads, for the
        message; "" for a reader.
        """
        source = self.source
        task: Any = self.task if source is None else source.reading_task()
        current = f"{self.operation}()" if self.operation else "a read"
        if hasattr(task, "get_name"):
            current += f" of task {task.get_name()!r}"
        if stream:
            current += f" ({stream})"
        raise RuntimeError(
            f"{operation}() called while another coroutine is already waiting for incoming data: {current}"
        )
