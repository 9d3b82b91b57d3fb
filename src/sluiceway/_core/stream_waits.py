# cython: nonecheck=True
"""StreamWaits, the base class of the reads of a Stream: its Receiver, the wait for data, and the time limit."""

from __future__ import annotations

import io
from typing import Any, NoReturn

from . import read_operations
from .coarse_timer import TimeLimit, timer_of
from .discard import Discard
from .read_operations import StreamReader
from .receiver import Receiver


class StreamWaits:
    """The base class of the reads of a Stream.

    ``_receiver`` is None if the stream cannot be read: it was closed, or has no reader. ``_limit`` is the time limit of
    the reads; None before the first read that has one.
    """

    __slots__ = ("_limit", "_reader", "_receiver")

    def __init__(self, reader: StreamReader | None) -> None:
        self._reader = reader
        self._receiver: Receiver | None = None if reader is None else reader._sluiceway
        self._limit: TimeLimit | None = None

    def _stop_reading(self) -> None:
        """Let every later read raise, because the program has closed the stream."""
        self._receiver = None

    def _receiver_for(self, operation: str) -> Receiver:
        """Return the Receiver. Raise RuntimeError if another read waits.

        Raise io.UnsupportedOperation for a stream without a reader, and ConnectionError for one that was closed.
        """
        receiver = self._receiver
        if receiver is None:
            self._cannot_read(operation)
        if receiver.operation is not None:
            receiver.raise_busy(operation, self._describe_input())
        return receiver

    def _readable(self, operation: str) -> Any:
        """Return the reader for the iterator ``operation``. Raise what _receiver_for() raises."""
        self._receiver_for(operation)
        return self._reader

    def _cannot_read(self, operation: str) -> NoReturn:
        if self._reader is None:
            raise io.UnsupportedOperation(f"{operation}(): {self!r} has no reader: it can only be written")
        # A local variable with the error would create a reference cycle: the traceback refers to the frame.
        raise self._marked(ConnectionError(f"{operation}(): {self._describe_input()} is closed; read before aclose()"))

    # -- time limits --------------------------------------------------------------------------------------------------

    def _begin_limit(self, seconds: float | None, operation: str) -> None:
        """Let the read ``operation``, which begins now, raise TimeoutError after ``seconds``, unless that is None.

        Raise what TimeLimit.start() raises.
        """
        if seconds is not None:
            limit = self._read_limit()
            limit.start(seconds, operation)

    def _end_limit(self, seconds: float | None) -> None:
        """End the time limit of the read that began with ``_begin_limit(seconds)``."""
        limit = self._limit
        if seconds is not None and limit is not None:
            limit.stop()

    def _read_limit(self) -> TimeLimit:
        """Return the time limit of the reads. The first call creates it."""
        limit = self._limit
        if limit is None:
            reader = self._reader
            assert reader is not None
            limit = self._limit = TimeLimit(timer_of(reader._sluiceway.loop), self)
        return limit

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        """Let the read that waits raise TimeoutError. Return False if it is about to continue; see TimeLimit."""
        assert self._reader is not None
        message = f"{limit.operation}() timed out after {limit.seconds:g} s: {self._describe_input()}"
        return self._reader._sluiceway.fail_wait(TimeoutError(message))

    def _time_limit_busy(self, operation: str) -> NoReturn:
        """Raise RuntimeError, because another task reads."""
        assert self._reader is not None
        self._reader._sluiceway.raise_busy(operation, self._describe_input())

    def _describe_input(self) -> str:
        """Return the addresses of both ends, or the name of the pipe that is read. Stream overrides it."""
        raise NotImplementedError

    def _marked(self, error: ConnectionError) -> ConnectionError:
        """Mark and return the error of a read after the close: a server does not report it. Stream overrides this."""
        raise NotImplementedError

    # -- waits --------------------------------------------------------------------------------------------------------

    def _can_peek(self, receiver: Receiver, size: int) -> bool:
        buffered = receiver.buffer.size()
        if receiver.exception is not None:
            if receiver.error_due(buffered, True):
                raise receiver.end_error()
            return True
        return buffered >= size or receiver.eof_reached

    async def _wait_for_size(self, size: int, operation: str) -> None:
        """Wait for received bytes, until ``size`` bytes are buffered or the stream ends.

        The caller has found that fewer bytes are buffered and that the stream has not ended, and tests both again after
        the call, because a ``_wait_for_data()`` of the program may return early. If ``size`` is 0, wait for the next
        bytes, however many are buffered.
        """
        # Not an argument, whose type would be unknown to the compiler.
        receiver = self._receiver_for(operation)
        receiver.target_size = size
        try:
            future = read_operations.begin_wait(self._reader, receiver, operation)  # type: ignore[arg-type]
            try:
                await future
            finally:
                receiver.end_wait()
                del future
        finally:
            receiver.end_large_read()

    async def _wait_until_dropped(self, discard: Discard | None) -> None:
        receiver = self._receiver_for("skip")
        while discard is not None and receiver.discard is discard:
            if receiver.exception is not None and receiver.error_due(0, False):
                raise receiver.end_error()
            if receiver.eof_reached:
                raise receiver.incomplete_discard("skip", self._describe_input())
            await self._wait_for_size(0, "skip")

    def _enough(self, receiver: Receiver, least: int) -> bool:
        """Return True if ``least`` bytes are buffered or the stream has ended. Raise the error of the stream if a read
        must raise it.
        """
        buffered = receiver.buffer.size()
        if receiver.exception is not None and receiver.error_due(buffered, buffered >= least):
            raise receiver.end_error()
        return buffered >= least or receiver.eof_reached
