"""RecordIterator: what the iterators over lines, separated records and frames have in common.

``__anext__`` always returns the iterator itself, which is a Ready. Its ``__await__`` takes the item. If the item of a
reader of sluiceway has arrived, this usually needs no coroutine. ``__await__`` makes a coroutine for an item that must
be waited for, and for each item of asyncio's reader.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from typing import Any, Self

from .._constants import FREE_OPERATIONS
from . import read_operations
from .borrowed_reader import BorrowedReader
from .coarse_timer import TimeLimit
from .read_operations import StreamReader
from .ready import Ready
from .receiver import Receiver
from .stream_waits import StreamWaits

# C integers in the compiled build.
_FREE_OPERATIONS = FREE_OPERATIONS
RAISE, SKIP, TRUNCATE, CHUNKS = 0, 1, 2, 3
POLICIES = ("raise", "skip", "truncate", "chunks")


# On CPython 3.11, current_task() is a Python function that does this look-up.
_task_of: Any = asyncio.current_task if sys.version_info >= (3, 12) else asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]


class RecordIterator(Ready):
    """An asynchronous iterator over the records of a reader. It keeps no byte between two items.

    A subclass defines ``attempt``, which removes the next record from the buffer and returns it, ``ready_item`` and
    ``target_size``.

    - ``reader``: sluiceway's reader; None if the program's reader is asyncio's, to which ``borrowed`` gives access.
    - ``receiver``: the Receiver of ``reader`` or ``borrowed``.
    - ``operation``: the name of the public function, for messages.
    - ``max_size``: the greatest size of a record in bytes. ``policy``: what happens to a longer one.
    - ``limit``: the time limit of the Stream's reads, or None. It is started, with ``seconds``, for each item that must
      be waited for.
    - ``stream``: the Stream that the iterator belongs to, or None. After its close, the iterator raises.
    - ``skipped``, ``truncated``: the numbers of records that were dropped and cut.
    """

    __slots__ = (
        "borrowed",
        "limit",
        "max_size",
        "operation",
        "policy",
        "reader",
        "receiver",
        "seconds",
        "skipped",
        "stream",
        "truncated",
        "waiting",
        "waiting_task",
    )

    def __init__(
        self,
        reader: StreamReader | None,
        borrowed: BorrowedReader | None,
        operation: str,
        max_size: int,
        policy: int,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.borrowed = borrowed
        self.receiver: Receiver = borrowed.receiver if borrowed is not None else reader._sluiceway  # type: ignore[union-attr]
        self.operation = operation
        self.max_size = max_size
        self.policy = policy
        self.skipped = 0
        self.truncated = 0
        self.limit: TimeLimit | None = None
        self.seconds = 0.0
        self.stream: StreamWaits | None = None
        # The wait in progress, and its task. anext() with a default calls __await__() again at each step of one wait.
        self.waiting: Any = None
        self.waiting_task: Any = None

    def belong_to(self, stream: StreamWaits) -> None:
        """Let the iteration raise ConnectionError after the close of ``stream``."""
        self.stream = stream

    def limit_items(self, limit: TimeLimit, seconds: float) -> None:
        """Let each item raise TimeoutError if it must be waited for longer than ``seconds``."""
        self.limit = limit
        self.seconds = seconds

    def __repr__(self) -> str:
        counts = f"skipped={self.skipped} truncated={self.truncated}"
        return f"<{self.operation}() of {self.described()} {counts}>"

    def source(self) -> Any:
        """Return the reader of the program."""
        return self.reader if self.borrowed is None else self.borrowed.reader

    def described(self) -> str:
        """Return the description of the stream, for messages."""
        stream = self.stream
        if stream is not None:
            return stream._describe_input()
        guard = self.receiver.guard
        return repr(self.source()) if guard is None else guard.connection.describe()

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        # ``yield from`` calls this method after ``__await__``. A ``for`` loop, which does not call ``__await__``, would
        # never end.
        if self.outcome is None and self.failure is None:
            raise TypeError(f"{self.operation}() is for 'async for', not for 'for' ({self.described()})")
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        if self.waiting is not None and self.waiting_task is _task_of(self.receiver.loop):
            return self.waiting  # type: ignore[no-any-return]
        receiver = self.receiver
        stream = self.stream
        if stream is not None and stream._receiver is None:
            return self._fail_closed().__await__()
        if self.borrowed is None and receiver.budget_used < _FREE_OPERATIONS and receiver.buffer.size():
            receiver.budget_used += 1
            item = self.ready_item()
            if item is not None:
                return self.returning(item)
            failed = False
            try:
                item = self.attempt(False)
            except BaseException as error:  # noqa: BLE001 - raised by __next__
                failed = True
                self.raising(error)
            if failed:
                return self
            if item is not None:
                return self.returning(item)
        waiting = (self._wait_for_item() if self.limit is None else self._wait_with_limit()).__await__()
        if self.waiting is None:
            self.waiting = waiting
            self.waiting_task = _task_of(self.receiver.loop)
        return waiting

    # -- a task may run anext(iterator) like a coroutine ---------------------------------------------------------------

    def send(self, value: Any) -> Any:
        return next(self.__await__())

    def throw(self, *error: Any) -> Any:
        waits = self.waiting is not None and self.waiting_task is _task_of(self.receiver.loop)
        waiting = self.waiting if waits else self._fail_closed()
        try:
            return waiting.throw(*error)
        finally:
            # Breaks a reference cycle: the traceback of the exception refers to this frame.
            del error

    def close(self) -> None:
        if self.waiting is not None and self.waiting_task is _task_of(self.receiver.loop):
            self.waiting.close()

    async def _fail_closed(self) -> Any:
        self._check_open()

    def _check_open(self) -> None:
        stream = self.stream
        if stream is not None and stream._receiver is None:
            stream._cannot_read(self.operation)

    async def _wait_with_limit(self) -> Any:
        limit = self.limit
        assert limit is not None
        try:
            if self.receiver.operation is not None:
                self.receiver.raise_busy(self.operation, self.described())
            limit.start(self.seconds, self.operation)
            try:
                return await self._wait_for_item()
            finally:
                limit.stop()
        finally:
            self._end_wait()

    async def _wait_for_item(self) -> Any:
        receiver, borrowed = self.receiver, self.borrowed
        try:
            if receiver.spend_read():
                await receiver.yield_to_loop(self.operation)
            waited = False
            while True:
                if borrowed is not None:
                    borrowed.load(self.operation, waited, self.window())
                    try:
                        item = self.attempt(waited)
                    finally:
                        borrowed.store()
                else:
                    item = self.attempt(waited)
                if item is not None:
                    return item
                if borrowed is not None:
                    await borrowed.reader._wait_for_data(self.operation)
                else:
                    future = read_operations.begin_wait(self.reader, receiver, self.operation)  # type: ignore[arg-type]
                    try:
                        receiver.target_size = self.target_size()
                        await future
                    finally:
                        receiver.end_wait()
                        del future
                        if receiver.target_size:
                            receiver.end_large_read()
                    # If the stream was closed, the part of a record that has arrived must not become an item.
                    self._check_open()
                waited = True
        finally:
            self._end_wait()

    def _end_wait(self) -> None:
        if self.waiting_task is _task_of(self.receiver.loop):
            self.waiting = self.waiting_task = None

    def ready_item(self) -> Any:
        """Return the next item if it can be removed from the first chunk of the buffer, else None.

        The fast path of attempt(), for the usual item. It raises nothing, because Python replaces an exception of
        ``__await__`` by another one.
        """
        raise NotImplementedError

    def attempt(self, waited: bool) -> Any:
        """Return the next item, or None if it must be waited for.

        Raise StopAsyncIteration at the end, and the errors of the iteration; see ``framing/functions.py``.

        ``waited``: True if the iteration has waited for this item. Two attempts are possible before the first wait.
        """
        raise NotImplementedError

    def target_size(self) -> int:
        """Return how many bytes must be buffered before another attempt can succeed; 0 if that is unknown.

        Called after an attempt that has returned None.
        """
        raise NotImplementedError

    def window(self) -> int:
        """Return how many of the buffered bytes one call of attempt() needs at most, or 0 if it may need all.

        BorrowedReader.load() copies no more than these. This class returns 0; SeparatedRecords overrides the method.
        """
        return 0

    def check(self, waited: bool) -> None:
        """Raise RuntimeError if another read waits, and the error of set_exception(), whatever is buffered.

        If ``waited`` is True, the error of set_exception() is not raised, so that the item which completed the wait is
        returned. An error of asyncio's reader is not raised here, but treated as that of a lost connection; see
        BorrowedReader.load().
        """
        receiver = self.receiver
        if receiver.operation is not None:
            receiver.raise_busy(self.operation, self.described())
        if receiver.exception is not None and not receiver.after_data and not waited:
            raise receiver.end_error()

    def ended(self, keeps_rest: bool) -> bool:
        """Return False if more bytes may arrive, and True if the stream has ended with a part of a record.

        The caller has found that no complete record is unread. At an end after a whole record, raise
        StopAsyncIteration. At an end within a record that is being dropped, raise StopAsyncIteration if ``keeps_rest``
        is True, otherwise IncompleteReadError. Raise the error of set_exception(), or of a connection that was lost
        before end of file.
        """
        receiver = self.receiver
        size = receiver.buffer.size()
        if receiver.exception is not None and receiver.error_due(size, False):
            raise receiver.end_error()
        if not receiver.eof_reached:
            return False
        if size:
            return True
        if receiver.discard is not None and not keeps_rest:
            raise receiver.incomplete_discard(self.operation, self.described())
        raise StopAsyncIteration
