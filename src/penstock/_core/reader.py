"""The reading half of a stream: what arrived, who waits for it, and when the transport must pause.

One read at a time owns the stream, from its first wait to its end. It takes bytes only in the step in which it
returns them, so a cancelled read has taken nothing (contract R1).

A connection's loss is not the same as ``set_exception``: the first is told after the bytes that came before it
(contract R2), the second at once, as in asyncio.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, Self

from .._facts.constants import EVERYTHING, MINIMUM_RECEIVE
from .._facts.errors import IncompleteReadError, LimitOverrunError
from .arguments import as_count, as_separators
from .buffer import ChunkBuffer
from .live import LiveBuffer

_NEWLINE = (b"\n",)


class ReaderCore:
    """State and operations of a StreamReader; the public class adds names, checks of construction and documentation."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._limit = limit
        self._loop = loop
        self._unread: ChunkBuffer | LiveBuffer = ChunkBuffer()
        self._eof = False
        self._exception: BaseException | None = None
        self._exception_after_data = False
        self._transport: Any = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._operation: str | None = None
        self._holder: asyncio.Task[Any] | None = None
        # Bytes that the pending read asked for beyond what flow control allows to be held.
        self._wanted = 0

    # -- what the transport's side calls ----------------------------------------------------------------------------

    def exception(self) -> BaseException | None:
        """The error that ended the stream, as soon as it is known, or None."""
        return self._exception

    def set_exception(self, exc: BaseException) -> None:
        """End the stream with ``exc``: a waiting read raises it, and so does every later one, at once."""
        self._exception = exc
        self._exception_after_data = False
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_exception(exc)

    def _fail(self, exc: BaseException) -> None:
        """The connection was lost with ``exc``: to be told once everything that arrived before it was read."""
        self._exception = exc
        self._exception_after_data = True
        self._wakeup_waiter()

    def feed_eof(self) -> None:
        """Say that no more data will come; a waiting read is woken."""
        self._eof = True
        self._wakeup_waiter()

    def at_eof(self) -> bool:
        """True when the end of input was received and everything before it was read."""
        return self._eof and not self._unread.size

    def feed_data(self, data: Any) -> None:
        """Add ``data``, a bytes-like object, to what can be read; a waiting read is woken.

        Raises:
            AssertionError: after feed_eof.
            TypeError: ``data`` is not bytes-like.
        """
        assert not self._eof, "feed_data after feed_eof"
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(f"feed_data() takes a bytes-like object, not {type(data).__name__}")
            data = bytes(data)
        if not data:
            return
        self._unread.append(data)
        if self._waiter is not None:
            self._wakeup_waiter()
        if self._unread.size + self._unread.excess() > 2 * self._limit:
            self._relieve()

    def set_transport(self, transport: Any) -> None:
        """Name the transport to pause while too much is unread. AssertionError where there is one already."""
        assert self._transport is None, "Transport already set"
        self._transport = transport

    def _receive_room(self) -> int:
        """How many bytes may be asked of the kernel now (contract R3)."""
        room = 2 * self._limit + self._wanted - self._unread.size
        return max(MINIMUM_RECEIVE, room)

    def _relieve(self) -> None:
        """More is held than the bound: give back what was read already, then stop the peer."""
        self._unread.compact()
        held = self._unread.size + self._unread.excess()
        if self._transport is None or self._paused or held <= 2 * self._limit + self._wanted:
            return
        try:
            self._transport.pause_reading()
        except NotImplementedError:
            # A transport that cannot be paused is not asked again; all that is left is to hold the data.
            self._transport = None
        else:
            self._paused = True

    def _wakeup_waiter(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _wait_for_data(self, func_name: str) -> None:
        """Wait for data, the end of input or an error; a paused transport is resumed, or the wait would never end."""
        if self._waiter is not None:
            self._refuse(func_name)
        assert not self._eof, "_wait_for_data after EOF"
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _claim(self, operation: str, wanted: int) -> None:
        """The read cannot be answered at once: it owns the stream until _release."""
        self._operation = operation
        self._holder = asyncio.current_task(self._loop)
        self._wanted = wanted

    def _release(self) -> None:
        self._operation = None
        self._holder = None
        if self._wanted:
            self._wanted = 0
            if self._unread.size > 2 * self._limit:
                self._relieve()

    def _refuse(self, operation: str) -> NoReturn:
        holder = self._holder
        held = f"{self._operation}()" if self._operation else "a read"
        by = f" of task {holder.get_name()!r}" if holder is not None else ""
        raise RuntimeError(
            f"{operation}() called while another coroutine is already waiting for incoming data: {held}{by}"
        )

    def _maybe_resume_transport(self) -> None:
        if self._paused and self._unread.size <= self._limit:
            self._paused = False
            self._transport.resume_reading()

    # -- reading ----------------------------------------------------------------------------------------------------

    async def read(self, n: int = -1) -> bytes:
        """Read up to ``n`` bytes, as soon as there is one; everything up to the end of input where ``n`` is negative.

        Returns:
            At most ``n`` bytes; ``b""`` at the end of input, and at once where ``n`` is 0.

        Raises:
            TypeError: ``n`` is no whole number.
            RuntimeError: another task's read is waiting; the message names it.
            Exception: the one given to set_exception, or that the connection was lost with: with ``n`` negative
                always, else once the bytes before it were read.

        Cancellation takes nothing from the stream, a negative ``n`` included. The limit does not bound the result; a
        negative ``n`` holds in memory what the peer chooses to send.
        """
        if type(n) is not int:
            n = as_count(n, "read")
        unread = self._unread
        if self._operation is not None:
            self._refuse("read")
        if self._exception is not None and not (self._exception_after_data and unread.size and n >= 0):
            raise self._exception
        if n == 0:
            return b""
        if n < 0:
            return await self._read_to_end()
        if not unread.size and not self._eof:
            self._claim("read", 0)
            try:
                # Asked anew each time: outsiders may change the buffer, or the buffer itself.
                while not self._unread.size and not self._eof:
                    await self._wait_for_data("read")
                    if self._exception is not None and not self._unread.size:
                        raise self._exception
            finally:
                self._release()
            unread = self._unread
        data = unread.take(n)
        if self._paused:
            self._maybe_resume_transport()
        return data

    async def _read_to_end(self) -> bytes:
        if not self._eof:
            self._claim("read", EVERYTHING)
            try:
                while not self._eof:
                    await self._wait_for_data("read")
                    if self._exception is not None:
                        raise self._exception
            finally:
                self._release()
        data = self._unread.take_all()
        self._maybe_resume_transport()
        return data

    async def readexactly(self, n: int) -> bytes:
        """Read exactly ``n`` bytes; ``b""`` at once where ``n`` is 0.

        Raises:
            IncompleteReadError: the input ended before; ``partial`` has the bytes there were, which are taken.
            ValueError: ``n`` is negative.
            TypeError: ``n`` is no whole number.
            RuntimeError: another task's read is waiting; the message names it.
            Exception: the one that ended the stream; what had arrived stays readable by ``read(n)``.

        Cancellation takes nothing from the stream. The limit does not bound ``n``.
        """
        if type(n) is not int:
            n = as_count(n, "readexactly")
        if n < 0:
            raise ValueError(f"readexactly size can not be less than zero: {n} was given")
        if self._operation is not None:
            self._refuse("readexactly")
        unread = self._unread
        if self._exception is not None and not (self._exception_after_data and unread.size >= n > 0):
            raise self._exception
        if n == 0:
            return b""
        if unread.size < n:
            await self._gather(n)
            unread = self._unread
        data = unread.take(n)
        if self._paused:
            self._maybe_resume_transport()
        return data

    async def _gather(self, n: int) -> None:
        """Wait until ``n`` bytes are there."""
        self._claim("readexactly", n)
        try:
            while self._unread.size < n:
                if self._eof:
                    raise IncompleteReadError(self._unread.take_all(), n)
                await self._wait_for_data("readexactly")
                if self._exception is not None and self._unread.size < n:
                    raise self._exception
        finally:
            self._release()

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        """Read up to and including ``separator``.

        Args:
            separator: bytes, or a tuple of bytes of which the one that ends first ends the record (Python 3.13).

        Returns:
            The record with its separator.

        Raises:
            IncompleteReadError: the input ended before the separator; ``partial`` has the bytes there were, which are
                taken; ``expected`` is None.
            LimitOverrunError: the record without its separator is longer than the limit. Nothing is taken;
                ``consumed`` tells how many bytes are known to hold no separator.
            ValueError: a separator is empty, or the tuple is.
            TypeError: a separator is not bytes.
            RuntimeError: another task's read is waiting; the message names it.
            Exception: the one that ended the stream; what had arrived stays readable by ``read(n)``.

        Cancellation takes nothing from the stream. However small the chunks, no byte is searched twice.
        """
        return await self._read_record(_NEWLINE if separator is _NEWLINE[0] else as_separators(separator), "readuntil")

    async def readline(self) -> bytes:
        """Read a line, its ``\\n`` included.

        Returns:
            The line; at the end of input what is left, without a newline; ``b""`` where nothing is left.

        Raises:
            ValueError: the line is longer than the limit. It is taken with its newline if that has arrived; if not,
                everything that has arrived is dropped, as in asyncio. ``readuntil`` keeps it instead.
            RuntimeError: another task's read is waiting; the message names it.
            Exception: the one that ended the stream; what had arrived stays readable by ``read(n)``.

        Cancellation takes nothing from the stream.
        """
        try:
            # A subclass that overrides readuntil expects readline to go through it, as in asyncio.
            if type(self).readuntil is ReaderCore.readuntil:
                return await self._read_record(_NEWLINE, "readline")
            return await self.readuntil(b"\n")
        except IncompleteReadError as error:
            return error.partial
        except LimitOverrunError as error:
            if self._unread.matches(b"\n", error.consumed):
                self._unread.take(error.consumed + 1)
            else:
                self._unread.clear()
            self._maybe_resume_transport()
            raise ValueError(error.args[0]) from None

    async def _read_record(self, separators: tuple[bytes, ...], operation: str) -> bytes:
        if self._operation is not None:
            self._refuse(operation)
        if self._exception is not None and not self._exception_after_data:
            raise self._exception
        end = self._record_end(separators)
        if end < 0:
            end = await self._await_record(separators, operation)
        record = self._unread.take(end)
        if self._paused:
            self._maybe_resume_transport()
        return record

    async def _await_record(self, separators: tuple[bytes, ...], operation: str) -> int:
        self._claim(operation, 0)
        try:
            while True:
                if self._exception is not None:
                    raise self._exception
                if self._eof:
                    raise IncompleteReadError(self._unread.take_all(), None)
                await self._wait_for_data(operation)
                end = self._record_end(separators)
                if end >= 0:
                    return end
        finally:
            self._release()

    def _record_end(self, separators: tuple[bytes, ...]) -> int:
        """How many bytes the first record has, separator included; -1 if its end is not there yet.

        Raises LimitOverrunError, nothing taken, as soon as the record is known to be longer than the limit.
        """
        unread = self._unread
        size = unread.size
        shortest = len(separators[0])
        start = unread.searched if unread.searched_for == separators else 0
        if size - start >= shortest:
            end = -1
            record = 0
            for separator in separators:
                found = unread.find(separator, start)
                if found >= 0 and (end < 0 or found + len(separator) < end):
                    end = found + len(separator)
                    record = found
            if end >= 0:
                if record > self._limit:
                    raise LimitOverrunError("Separator is found, but chunk is longer than limit", record)
                return end
            # The longest separator may have begun in the last bytes; what is before them is known to hold none.
            start = max(0, size + 1 - len(separators[-1]))
            unread.searched_for = separators
            unread.searched = start
        if start > self._limit:
            raise LimitOverrunError("Separator is not found, and chunk exceed the limit", start)
        return -1

    # -- iteration --------------------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if line == b"":
            raise StopAsyncIteration
        return line
