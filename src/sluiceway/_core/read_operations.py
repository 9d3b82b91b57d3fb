"""Reading: what a read takes, when it has enough, and which error it tells.

A read takes bytes only in the step in which it returns them, so a cancelled read has taken nothing (contract R1).
"""

from __future__ import annotations

from typing import Any, NoReturn, Self

from .._constants import EVERYTHING
from .._errors import IncompleteReadError, LimitOverrunError
from .receiver import IncomingCore
from .validation import as_count, as_separators

_NEWLINE = (b"\n",)


class ReaderCore(IncomingCore):
    """The operations of a StreamReader; the public class adds its construction and what outsiders touch."""

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
        if self._ps_operation is not None and n:
            self._ps_refuse("read")
        if n < 0:
            return await self._ps_read_to_end()
        if self._ps_tired():
            await self._ps_rest("read")
        waited = False
        while True:
            data = self._ps_take_some(n, waited)
            if data is not None:
                return data
            waiter = self._ps_wait("read")
            self._ps_asked = n
            try:
                await waiter
            finally:
                self._ps_end_wait()
            waited = True

    def _ps_take_some(self, n: int, waited: bool) -> bytes | None:
        """Remove and return up to ``n`` bytes; None where the first is still to come."""
        # Asked anew after each wait: outsiders may change the buffer, or the buffer itself.
        unread = self._ps_unread
        # Data that woke this read is its own, whatever set_exception says in the same turn, as in asyncio.
        if self._exception is not None and not (waited and unread.held()) and self._ps_failed(True):
            raise self._exception
        if not unread.held() and not self._eof and n:
            return None
        data = unread.take(n)
        if self._paused:
            self._maybe_resume_transport()
        return data

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
            self._ps_want_no_more()
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
        if self._ps_operation is not None and n:
            self._ps_refuse("readexactly")
        if self._ps_tired():
            await self._ps_rest("readexactly")
        data = self._ps_take_exactly(n, False)
        if data is None:
            try:
                while data is None:
                    self._ps_wanted = n
                    waiter = self._ps_wait("readexactly")
                    try:
                        await waiter
                    finally:
                        self._ps_end_wait()
                    data = self._ps_take_exactly(n, True)
            finally:
                self._ps_want_no_more()
            if self._paused:
                self._maybe_resume_transport()
        return data

    def _ps_take_exactly(self, n: int, waited: bool) -> bytes | None:
        """Remove and return ``n`` bytes; None where some are still to come."""
        held = self._ps_unread.held()
        if self._exception is not None and not (waited and held >= n) and self._ps_failed(held >= n > 0):
            raise self._exception
        if held < n:
            if self._eof:
                raise self._ps_incomplete(n)
            return None
        data = self._ps_unread.take(n)
        if self._paused:
            self._maybe_resume_transport()
        return data

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
        # Who overrides readuntil, in a subclass or on the object, expects readline to go through it, as in asyncio.
        if self._ps_intercepted and getattr(self.readuntil, "__func__", None) is not ReaderCore.readuntil:
            try:
                return await self.readuntil(b"\n")
            except IncompleteReadError as error:
                return error.partial
            except LimitOverrunError as error:
                self._ps_drop_line(error)
        if self._ps_tired():
            await self._ps_rest("readline")
        waited = False
        while True:
            line = self._ps_take_line(waited)
            if line is not None:
                return line
            waiter = self._ps_wait("readline")
            try:
                await waiter
            finally:
                self._ps_end_wait()
            waited = True

    def _ps_take_line(self, waited: bool) -> bytes | None:
        """Remove and return the first line, or what is left at the end of input; None where its end is to come."""
        try:
            return self._ps_take_record(_NEWLINE, "readline", waited)
        except IncompleteReadError as error:
            return error.partial
        except LimitOverrunError as error:
            self._ps_drop_line(error)

    def _ps_drop_line(self, error: LimitOverrunError) -> NoReturn:
        """The line is longer than the limit: drop it as asyncio does, and raise what asyncio raises."""
        if self._ps_unread.matches(b"\n", error.consumed):
            self._ps_unread.take(error.consumed + 1)
        else:
            self._ps_unread.clear()
        self._maybe_resume_transport()
        raise ValueError(error.args[0]) from None

    async def _ps_read_record(self, separators: tuple[bytes, ...], operation: str) -> bytes:
        if self._ps_tired():
            await self._ps_rest(operation)
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
                raise self._ps_incomplete(None)
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
        start = unread.searched(separators)
        length = len(separators[0])
        if size - start >= length:
            end = -1
            record = 0
            for separator in separators:
                found = unread.find(separator, start)
                length = len(separator)
                if found >= 0 and (end < 0 or found + length < end):
                    end = found + length
                    record = found
            if end >= 0:
                if record > self._limit:
                    raise LimitOverrunError("Separator is found, but chunk is longer than limit", record)
                return end
            # The longest separator, the last, may have begun in the last bytes; what is before is known to hold none.
            start = max(0, size + 1 - length)
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
