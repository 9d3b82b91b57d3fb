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
from .arguments import as_bytes, as_count, as_separators
from .buffer import ChunkBuffer

_NEWLINE = (b"\n",)


class ReaderCore:
    """State and operations of a StreamReader; the public class adds names, checks of construction and documentation."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._limit = limit
        self._loop = loop
        self._ps_unread = ChunkBuffer()
        self._eof = False
        self._exception: BaseException | None = None
        self._ps_exception_after_data = False
        self._transport: Any = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._ps_operation: str | None = None
        self._ps_holder: asyncio.Task[Any] | None = None
        # Makes what a read awaits where the transport has something better than a future of the loop.
        self._ps_waiter_source: Any = None
        # Set where feed_data was replaced on this object: every byte has to go through it.
        self._ps_replaced = False
        # Bytes that the pending read asked for beyond what flow control allows to be held.
        self._ps_wanted = 0

    # -- what the transport's side calls ----------------------------------------------------------------------------

    def exception(self) -> BaseException | None:
        """The error that ended the stream, as soon as it is known, or None."""
        return self._exception

    def set_exception(self, exc: BaseException) -> None:
        """End the stream with ``exc``: a waiting read raises it, and so does every later one, at once."""
        self._exception = exc
        self._ps_exception_after_data = False
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_exception(exc)

    def _ps_fail(self, exc: BaseException) -> None:
        """The connection was lost with ``exc``: to be told once everything that arrived before it was read."""
        self._exception = exc
        self._ps_exception_after_data = True
        self._ps_end_transport()
        self._wakeup_waiter()

    def _ps_end_transport(self) -> None:
        """The transport is gone: nothing is left to pause, and resuming it may fail."""
        self._paused = False

    def _ps_failed(self, enough: bool) -> bool:
        """Whether the error is due. Bytes that came before the connection was lost come first, where there are
        ``enough`` for the read, or where the input had ended before: then they are all there ever were."""
        if not self._ps_exception_after_data or not self._ps_unread.held():
            return True
        return not (enough or self._eof)

    def feed_eof(self) -> None:
        """Say that no more data will come; a waiting read is woken."""
        self._eof = True
        self._wakeup_waiter()

    def at_eof(self) -> bool:
        """True when the end of input was received and everything before it was read."""
        return self._eof and not self._ps_unread.held()

    def feed_data(self, data: Any) -> None:
        """Add ``data``, a bytes-like object, to what can be read; a waiting read is woken.

        Raises:
            AssertionError: after feed_eof.
            TypeError: ``data`` is not bytes-like.
        """
        assert not self._eof, "feed_data after feed_eof"
        if type(data) is not bytes:
            data = as_bytes(data, "feed_data")
        if not data:
            return
        self._ps_arrive(data)
        if self._waiter is not None:
            self._wakeup_waiter()

    def _ps_arrive(self, data: bytes) -> None:
        """Take in ``data``; whoever waits is to be woken by the caller when all state is as it should be."""
        if self._ps_unread.append(data) > 2 * self._limit:
            self._ps_relieve()

    def set_transport(self, transport: Any) -> None:
        """Name the transport to pause while too much is unread. AssertionError where there is one already."""
        assert self._transport is None, "Transport already set"
        self._transport = transport

    def _ps_receive_room(self) -> int:
        """How many bytes may be asked of the kernel now (contract R3)."""
        room = 2 * self._limit + self._ps_wanted - self._ps_unread.held()
        return room if room > MINIMUM_RECEIVE else MINIMUM_RECEIVE  # noqa: FURB136 - called for each arrival

    def _ps_relieve(self) -> None:
        """More is held than the bound: give back what was read already, then stop the peer."""
        self._ps_unread.compact()
        held = self._ps_unread.held() + self._ps_unread.excess()
        if self._transport is None or self._paused or held <= 2 * self._limit + self._ps_wanted:
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

    def _ps_wait(self, operation: str) -> Any:
        """What a read awaits; who overrides _wait_for_data expects every read to wait through it, as in asyncio."""
        if getattr(self._wait_for_data, "__func__", None) is not ReaderCore._wait_for_data:
            return self._wait_for_data(operation)
        return self._ps_begin_wait(operation)

    def _ps_begin_wait(self, operation: str) -> Any:
        """Own the stream as ``operation`` until _ps_end_wait; what to await for data, the end of input or an error.

        A paused transport is resumed, or the wait would never end.
        """
        if self._waiter is not None:
            self._ps_refuse(operation)
        assert not self._eof, "waiting for data after EOF"
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._ps_operation = operation
        source = self._ps_waiter_source
        if source is None:
            self._ps_holder = asyncio.current_task(self._loop)
            self._waiter = self._loop.create_future()
        else:
            self._waiter = source.begin()
        return self._waiter

    def _ps_end_wait(self) -> None:
        self._waiter = None
        self._ps_operation = None
        self._ps_holder = None

    def _ps_want(self, n: int) -> None:
        """The pending read needs ``n`` bytes in all, however small the limit; 0 when it has ended."""
        self._ps_wanted = n
        if not n and self._ps_unread.held() > 2 * self._limit:
            self._ps_relieve()

    async def _wait_for_data(self, func_name: str) -> None:
        """asyncio's name for one wait, which subclasses call."""
        waiter = self._ps_begin_wait(func_name)
        try:
            await waiter
        finally:
            self._ps_end_wait()

    def _ps_refuse(self, operation: str) -> NoReturn:
        holder = self._ps_holder
        held = f"{self._ps_operation}()" if self._ps_operation else "a read"
        by = f" of task {holder.get_name()!r}" if holder is not None else ""
        raise RuntimeError(
            f"{operation}() called while another coroutine is already waiting for incoming data: {held}{by}"
        )

    def _maybe_resume_transport(self) -> None:
        if self._paused and self._ps_unread.held() <= self._limit:
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
        if self._ps_operation is not None:
            self._ps_refuse("read")
        if n < 0:
            return await self._ps_read_to_end()
        waited = False
        while True:
            # Asked anew after each wait: outsiders may change the buffer, or the buffer itself.
            unread = self._ps_unread
            # Data that woke this read is its own, whatever set_exception says in the same turn, as in asyncio.
            if self._exception is not None and not (waited and unread.held()) and self._ps_failed(True):
                raise self._exception
            if unread.held() or self._eof or not n:
                data = unread.take(n)
                if self._paused:
                    self._maybe_resume_transport()
                return data
            waiter = self._ps_wait("read")
            try:
                await waiter
            finally:
                self._ps_end_wait()
            waited = True

    async def _ps_read_to_end(self) -> bytes:
        try:
            while True:
                if self._exception is not None and self._ps_failed(False):
                    raise self._exception
                if self._eof:
                    break
                self._ps_wanted = EVERYTHING
                waiter = self._ps_wait("read")
                try:
                    await waiter
                finally:
                    self._ps_end_wait()
        finally:
            self._ps_want(0)
        data = self._ps_unread.take_all()
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
        if self._ps_operation is not None:
            self._ps_refuse("readexactly")
        if self._ps_unread.held() < n:
            await self._ps_gather(n)
        elif self._exception is not None and self._ps_failed(n > 0):
            raise self._exception
        data = self._ps_unread.take(n)
        if self._paused:
            self._maybe_resume_transport()
        return data

    async def _ps_gather(self, n: int) -> None:
        """Wait until ``n`` bytes are there."""
        try:
            while self._ps_unread.held() < n:
                if self._exception is not None and self._ps_failed(False):
                    raise self._exception
                if self._eof:
                    raise IncompleteReadError(self._ps_unread.take_all(), n)
                self._ps_wanted = n
                waiter = self._ps_wait("readexactly")
                try:
                    await waiter
                finally:
                    self._ps_end_wait()
        finally:
            self._ps_want(0)

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
        return await self._ps_read_record(
            _NEWLINE if separator is _NEWLINE[0] else as_separators(separator), "readuntil"
        )

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
            # Who overrides readuntil, in a subclass or on the object, expects readline to go through it, as in asyncio.
            if getattr(self.readuntil, "__func__", None) is not ReaderCore.readuntil:
                return await self.readuntil(b"\n")
            waited = False
            while True:
                # _ps_read_record, written out: lines are what most programs read, a coroutine less is a tenth of one.
                line = self._ps_take_record(_NEWLINE, "readline", waited)
                if line is not None:
                    return line
                waiter = self._ps_wait("readline")
                try:
                    await waiter
                finally:
                    self._ps_end_wait()
                waited = True
        except IncompleteReadError as error:
            return error.partial
        except LimitOverrunError as error:
            if self._ps_unread.matches(b"\n", error.consumed):
                self._ps_unread.take(error.consumed + 1)
            else:
                self._ps_unread.clear()
            self._maybe_resume_transport()
            raise ValueError(error.args[0]) from None

    async def _ps_read_record(self, separators: tuple[bytes, ...], operation: str) -> bytes:
        waited = False
        while True:
            record = self._ps_take_record(separators, operation, waited)
            if record is not None:
                return record
            waiter = self._ps_wait(operation)
            try:
                await waiter
            finally:
                self._ps_end_wait()
            waited = True

    def _ps_take_record(self, separators: tuple[bytes, ...], operation: str, waited: bool) -> bytes | None:
        """Remove and return the first record; None where its end is still to come. What woke a read that ``waited`` is
        its own, whatever set_exception says in the same turn."""
        if self._ps_operation is not None:
            self._ps_refuse(operation)
        if self._exception is not None and not self._ps_exception_after_data and not waited:
            raise self._exception
        end = self._ps_record_end(separators)
        if end < 0:
            if self._exception is not None and self._ps_failed(False):
                raise self._exception
            if self._eof:
                raise IncompleteReadError(self._ps_unread.take_all(), None)
            return None
        record = self._ps_unread.take(end)
        if self._paused:
            self._maybe_resume_transport()
        return record

    def _ps_record_end(self, separators: tuple[bytes, ...]) -> int:
        """How many bytes the first record has, separator included; -1 if its end is not there yet.

        Raises LimitOverrunError, nothing taken, as soon as the record is known to be longer than the limit.
        """
        unread = self._ps_unread
        size = unread.held()
        shortest = len(separators[0])
        start = unread.searched(separators)
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
            unread.remember_search(separators, start)
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
