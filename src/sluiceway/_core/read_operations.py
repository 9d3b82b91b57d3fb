# cython: nonecheck=True
"""The methods of StreamReader. Their state is the reader's Receiver.

Source: https://docs.python.org/3/library/asyncio-stream.html#streamreader
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

from .._constants import EVERYTHING, FREE_OPERATIONS
from .._errors import IncompleteReadError, LimitOverrunError
from . import read_by_size, read_until, search
from .bytearray_buffer import BytearrayBuffer
from .chunk_buffer import ChunkBuffer
from .end_of_input import EofReason
from .receiver import Receiver
from .validation import BytesLike, as_bytes, as_count, as_separators, clamped

# A C integer in the compiled build.
_FREE_OPERATIONS = FREE_OPERATIONS


def begin_wait(reader: StreamReader, receiver: Receiver, operation: str) -> Any:
    """Return what the read ``operation`` must await before it calls ``receiver.end_wait()``.

    The result is a call of ``_wait_for_data()`` if the program has replaced this method, otherwise the future of a new
    wait.
    """
    if receiver.intercepted:
        overridden = getattr(reader._wait_for_data, "__func__", None) is not StreamReader._wait_for_data
        if overridden:
            return reader._wait_for_data(operation)
    return receiver.begin_wait(operation)


def bytearray_buffer(receiver: Receiver) -> BytearrayBuffer:
    """Return the BytearrayBuffer of ``receiver``. Any other buffer is replaced by one, which gets the unread bytes."""
    while True:
        buffer = receiver.buffer
        if isinstance(buffer, BytearrayBuffer):
            return buffer
        replacement = BytearrayBuffer(bytearray(), buffer if type(buffer) is ChunkBuffer else None)
        # A garbage collection in the call may have run a finalizer that has replaced ``buffer``.
        if receiver.buffer is buffer:
            unread = buffer.take_all()
            try:
                replacement.data = search.joined(unread, b"")
            except MemoryError:
                if unread:
                    buffer.append(unread)
                raise
            receiver.buffer = replacement
            return replacement


async def _line_by_readuntil(reader: StreamReader) -> bytes:
    """Return the line of a readline() that calls an overridden readuntil(), as asyncio's does.

    A separate function, because its variables would take memory in each readline() that waits.
    """
    too_long = False
    try:
        found: bytes = await reader.readuntil(b"\n")
    except IncompleteReadError as error:
        found = error.partial
    except LimitOverrunError as error:
        too_long, message, consumed = True, error.args[0], error.consumed
    if too_long:
        # Outside the except clause, so that the ValueError has no __context__, as in asyncio.
        read_until.drop_line(reader._sluiceway, message, clamped(consumed))
    return found


class StreamReader:
    """The base class of the public StreamReader, which other modules import as ReadOperations.

    The class has the public name because Python's messages contain it: ``coroutine 'StreamReader.readline' was never
    awaited``. All state is in the Receiver, which the properties with asyncio's private names read and change.
    While a read waits, another read raises RuntimeError.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop, intercepted: bool = True) -> None:
        self._sluiceway = Receiver(limit, loop, intercepted)

    # -- called by the protocol ---------------------------------------------------------------------------------------

    def exception(self) -> BaseException | None:
        """Return the exception that ended the stream. None means that no error has occurred.

        The error of a lost connection is returned as soon as it is known, even if reads still return data that was
        received before the loss.
        """
        return self._sluiceway.exception

    def set_exception(self, exc: BaseException) -> None:
        """End the stream with ``exc``. The waiting read and later reads raise ``exc``, even if bytes are buffered."""
        self._sluiceway.fail(exc)

    def feed_eof(self) -> None:
        """Record end of file, and wake the waiting read.

        If the buffered bytes are not enough, readexactly() and readuntil() raise IncompleteReadError. The other reads
        return the buffered bytes.
        """
        self._sluiceway.eof()

    def feed_data(self, data: BytesLike) -> None:
        """Append received bytes to the buffer, and wake the waiting read if it may be complete.

        Args:
            data (a bytes-like object): the received bytes.

        Raises:
            AssertionError: feed_eof() was called before.
            TypeError: ``data`` is not a bytes-like object.
            ValueError, BufferError: ``data`` cannot be read, for example a memoryview that was released.
        """
        receiver = self._sluiceway
        assert not receiver.eof_reached, "feed_data after feed_eof"
        if type(data) is not bytes:
            data = as_bytes(data)
        if data and receiver.feed(data):
            receiver.complete_wait()

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Set the transport that the reader pauses while too much data is buffered.

        Raises:
            AssertionError: the reader has a transport already.
        """
        assert self._sluiceway.transport is None, "Transport already set"
        self._sluiceway.transport = transport

    def _replace_transport(self, transport: Any) -> None:
        assert self._sluiceway.transport is not None, "Transport not set"
        self._sluiceway.transport = transport

    def at_eof(self) -> bool:
        """Return True if all bytes have been read, and the input has ended without an error.

        The input ends at end of file, or at the end of the connection.
        """
        return self._sluiceway.eof_reached and not self._sluiceway.buffer.size()

    @property
    def eof_reason(self) -> EofReason | None:
        """Why the stream has ended; None before the end. The value is set at the end, even if bytes are still buffered.

        - ``"clean"``: the peer ended its direction (TCP: with a FIN), or every writer of a pipe has closed it. Over
          TLS, the peer's close_notify alert has arrived.
        - ``"truncated"``: over TLS, the peer ended its direction without a close_notify alert (RFC 8446, section 6.1).
          The event loop's own TLS transports, which other libraries may use, report ``"clean"`` instead.
        - ``"reset"``: the connection was lost with an error before the peer had ended its direction, or the program
          called set_exception(). ``exception()`` returns the error. The loss may also have happened while this side was
          closing the connection.
        - ``"idle timeout"``: the connection was aborted, because no byte was received or sent for the ``idle_timeout``
          of its Stream.
        - ``"closed"``: this side closed or aborted the connection before the peer ended its direction, and the
          connection ended without an error.
        """
        return self._sluiceway.eof_reason()

    # -- reads --------------------------------------------------------------------------------------------------------

    async def read(self, n: int = -1) -> bytes:
        """Read up to ``n`` bytes, or until end of file if ``n`` is negative.

        With a positive ``n``, the call returns as soon as at least one byte is available. With a negative ``n``, the
        peer decides how much memory the result takes: the limit of the reader does not apply. A cancelled call consumes
        no bytes.

        Args:
            n (int): the maximum number of bytes; negative for all bytes until end of file.

        Returns:
            The bytes. ``b""`` at end of file, and immediately if ``n`` is 0.

        Raises:
            TypeError: ``n`` is not an integer.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the exception passed to set_exception(), immediately. The error of a connection that was lost
                before end of file: with a negative ``n`` immediately, and the bytes received before the loss stay in
                the reader; otherwise after these bytes have been read.

        Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.read
        """
        receiver = self._sluiceway
        if type(n) is not int:
            n = as_count(n, "read")
        size = read_by_size.as_c_integer(n)
        if receiver.operation is not None and size:
            receiver.raise_busy("read")
        if size < 0:
            return await self._sluiceway_read_to_end()
        receiver.budget_used += 1
        if receiver.budget_used > _FREE_OPERATIONS:
            await receiver.yield_to_loop("read")
        waited = False
        while True:
            data = read_by_size.some(receiver, size, waited)
            if data is not None:
                return data
            future = begin_wait(self, receiver, "read") if receiver.intercepted else receiver.begin_wait("read")
            receiver.max_size = size
            try:
                await future
            finally:
                receiver.end_wait()
            waited = True

    async def _sluiceway_read_to_end(self) -> bytes:
        receiver = self._sluiceway
        try:
            while True:
                if receiver.exception is not None and receiver.error_due(receiver.buffer.size(), False):
                    raise receiver.end_error()
                if receiver.eof_reached:
                    break
                receiver.target_size = EVERYTHING
                future = begin_wait(self, receiver, "read")
                try:
                    await future
                finally:
                    receiver.end_wait()
        finally:
            receiver.end_large_read()
        return receiver.take(receiver.buffer.size())

    async def readexactly(self, n: int) -> bytes:
        """Read exactly ``n`` bytes.

        ``n`` may be greater than the limit of the reader. A cancelled call consumes no bytes.

        Args:
            n (int): the number of bytes.

        Returns:
            The bytes. ``b""`` immediately if ``n`` is 0.

        Raises:
            IncompleteReadError: end of file was received before ``n`` bytes. The attribute ``partial`` contains the
                bytes before the end, which are removed from the stream.
            ValueError: ``n`` is negative.
            TypeError: ``n`` is not an integer.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the exception passed to set_exception(), immediately. The error of a connection that was lost
                before end of file, if the bytes received before the loss are fewer than ``n``, or ``n`` is 0;
                ``read(n)`` still returns them.

        Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.readexactly
        """
        receiver = self._sluiceway
        if type(n) is not int:
            n = as_count(n, "readexactly")
        target_size = read_by_size.as_c_integer(n)
        if target_size < 0:
            raise ValueError(f"readexactly size can not be less than zero: {n} was given")
        if receiver.operation is not None and target_size:
            receiver.raise_busy("readexactly")
        receiver.budget_used += 1
        if receiver.budget_used > _FREE_OPERATIONS:
            await receiver.yield_to_loop("readexactly")
        data = read_by_size.exactly(receiver, target_size, n, False, None)
        if data is None:
            try:
                while data is None:
                    receiver.target_size = target_size
                    future = (
                        begin_wait(self, receiver, "readexactly")
                        if receiver.intercepted
                        else receiver.begin_wait("readexactly")
                    )
                    try:
                        await future
                    finally:
                        receiver.end_wait()
                    data = read_by_size.exactly(receiver, target_size, n, True, None)
            finally:
                receiver.end_large_read()
        return data

    async def readuntil(self, separator: BytesLike | tuple[BytesLike, ...] = b"\n") -> bytes:
        """Read up to and including ``separator``.

        A cancelled call consumes no bytes. Each byte is searched once, even if the data arrives in small pieces.

        Args:
            separator (a bytes-like object or a tuple of them): the end of the record. If the tuple has several
                separators, the one that ends first in the data is used, as in Python 3.13.

        Returns:
            The record, including its separator.

        Raises:
            IncompleteReadError: end of file was received before a separator. The attribute ``partial`` contains the
                bytes before the end, which are removed from the stream; ``expected`` is None.
            LimitOverrunError: the record, without its separator, is longer than the limit of the reader. The bytes stay
                in the reader. The attribute ``consumed`` is the number of bytes before the separator. If no
                separator has arrived, it is the number of buffered bytes, less the length of the longest separator,
                plus 1.
            ValueError: a separator is empty or was released, or the tuple is empty.
            TypeError: a separator is not a bytes-like object.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the exception passed to set_exception(), immediately. The error of a connection that was lost
                before end of file, if the bytes received before the loss contain no complete record; ``read(n)`` still
                returns these bytes.

        Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.readuntil
        """
        separators = (separator,) if type(separator) is bytes and separator else as_separators(separator)
        receiver = self._sluiceway
        receiver.budget_used += 1
        if receiver.budget_used > _FREE_OPERATIONS:
            await receiver.yield_to_loop("readuntil")
        waited = False
        while True:
            record = read_until.record(receiver, separators, "readuntil", waited, False)
            if record is not None:
                return record
            future = (
                begin_wait(self, receiver, "readuntil") if receiver.intercepted else receiver.begin_wait("readuntil")
            )
            try:
                await future
            finally:
                receiver.end_wait()
            waited = True

    async def readline(self) -> bytes:
        """Read a line, including its ``\\n``.

        A cancelled call consumes no bytes.

        Returns:
            The line. At end of file, the remaining bytes without a newline, or ``b""`` if there are none.

        Raises:
            ValueError: the line, without its newline, is longer than the limit of the reader. If the newline has
                arrived, the line and its newline are discarded. Otherwise all buffered bytes are discarded, and the
                next read returns the rest of the line, as in asyncio. ``readuntil()`` keeps the bytes.
            RuntimeError: a read of another task is waiting. The message names the task.
            Exception: the exception passed to set_exception(), immediately. The error of a connection that was lost
                before end of file, if the bytes received before the loss contain no complete line; ``read(n)`` still
                returns these bytes.

        Source: https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamReader.readline
        """
        receiver = self._sluiceway
        # As in asyncio, readline() calls a readuntil() that a subclass or an instance overrides.
        if receiver.intercepted and getattr(self.readuntil, "__func__", None) is not StreamReader.readuntil:
            return await _line_by_readuntil(self)
        receiver.budget_used += 1
        if receiver.budget_used > _FREE_OPERATIONS:
            await receiver.yield_to_loop("readline")
        waited = False
        while True:
            line = read_until.record(receiver, read_until.NEWLINE, "readline", waited, True)
            if line is not None:
                return line
            future = begin_wait(self, receiver, "readline") if receiver.intercepted else receiver.begin_wait("readline")
            try:
                await future
            finally:
                receiver.end_wait()
            waited = True

    def __aiter__(self) -> Self:
        """Return the reader: ``async for line in reader`` reads lines until end of file.

        A line that is longer than the limit raises ValueError; see readline().
        """
        return self

    async def __anext__(self) -> bytes:
        """Return the next line, as readline() does. At end of file, raise StopAsyncIteration."""
        line = await self.readline()
        if line == b"":
            raise StopAsyncIteration
        return line

    # -- asyncio's private names, which programs use and assign -------------------------------------------------------

    async def _wait_for_data(self, func_name: str) -> None:
        receiver = self._sluiceway
        future = receiver.begin_wait(func_name)
        try:
            await future
        finally:
            receiver.end_wait()

    def _wakeup_waiter(self) -> None:
        self._sluiceway.complete_wait()

    def _maybe_resume_transport(self) -> None:
        self._sluiceway.resume_if_low()

    @property
    def _limit(self) -> int:
        return self._sluiceway.limit

    @_limit.setter
    def _limit(self, limit: int) -> None:
        self._sluiceway.limit = clamped(limit)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._sluiceway.loop

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sluiceway.loop = loop

    @property
    def _eof(self) -> bool:
        return self._sluiceway.eof_reached

    @_eof.setter
    def _eof(self, reached: bool) -> None:
        self._sluiceway.eof_reached = reached

    @property
    def _exception(self) -> BaseException | None:
        return self._sluiceway.exception

    @_exception.setter
    def _exception(self, exception: BaseException | None) -> None:
        self._sluiceway.exception = exception

    @property
    def _transport(self) -> Any:
        self._sluiceway.share_transport()
        return self._sluiceway.transport

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        self._sluiceway.transport = transport

    @property
    def _paused(self) -> bool:
        return self._sluiceway.paused

    @_paused.setter
    def _paused(self, paused: bool) -> None:
        self._sluiceway.paused = paused

    @property
    def _waiter(self) -> Any:
        return self._sluiceway.future

    @_waiter.setter
    def _waiter(self, future: Any) -> None:
        self._sluiceway.future = future

    @property
    def _buffer(self) -> bytearray:
        buffer = bytearray_buffer(self._sluiceway)
        buffer.forget_search()
        return buffer.data

    @_buffer.setter
    def _buffer(self, value: bytearray | bytes) -> None:
        replacement = BytearrayBuffer(value if isinstance(value, bytearray) else bytearray(value))
        buffer = self._sluiceway.buffer
        if not isinstance(buffer, BytearrayBuffer):
            # The old content is discarded. The object must stay valid: a transport may be receiving into it.
            buffer.clear()
        self._sluiceway.buffer = replacement
