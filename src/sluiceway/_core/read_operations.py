# cython: nonecheck=True
"""The operations of a StreamReader, on its receiver.

They are those of asyncio: https://docs.python.org/3/library/asyncio-stream.html#streamreader
"""

from __future__ import annotations

import asyncio
from typing import Any, Self

from .._constants import EVERYTHING
from .._errors import IncompleteReadError, LimitOverrunError
from . import read_by_size, read_until
from .bytearray_buffer import BytearrayBuffer
from .end_of_input import EofReason
from .receiver import Receiver
from .validation import BytesLike, as_bytes, as_count, as_separators

# The compiled variant keeps this as a number.
_EVERYTHING = EVERYTHING


def begin_wait(reader: StreamReader, receiver: Receiver, operation: str) -> Any:
    """What a read awaits. A class that overrides ``_wait_for_data`` expects every read to wait through it."""
    if receiver.intercepted:
        overridden = getattr(reader._wait_for_data, "__func__", None) is not StreamReader._wait_for_data
        if overridden:
            return reader._wait_for_data(operation)
    return receiver.begin_wait(operation)


class StreamReader:
    """The base class of the public StreamReader, which other modules import as ReadOperations.

    It has the public name because a coroutine carries the name of its class: ``coroutine 'StreamReader.readline' was
    never awaited``. All state is in the receiver; asyncio's private names show it. One read at a time owns the stream,
    from its first wait to its end.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop, intercepted: bool = True) -> None:
        self._sluiceway = Receiver(limit, loop, intercepted)

    # -- what a source of bytes calls ---------------------------------------------------------------------------------

    def exception(self) -> BaseException | None:
        """The error that ended the stream, as soon as it is known, or None."""
        return self._sluiceway.end.exception

    def set_exception(self, exc: BaseException) -> None:
        """End the stream with ``exc``: the waiting read raises it, and every later read raises it at once."""
        self._sluiceway.fail(exc)

    def feed_eof(self) -> None:
        """No more data will come; a waiting read completes."""
        self._sluiceway.eof()

    def feed_data(self, data: BytesLike) -> None:
        """Add ``data``, a bytes-like object, to what can be read; a waiting read completes.

        Raises:
            AssertionError: after feed_eof.
            TypeError: ``data`` is not bytes-like.
        """
        receiver = self._sluiceway
        assert not receiver.end.reached, "feed_data after feed_eof"
        if type(data) is not bytes:
            data = as_bytes(data)
        if data and receiver.feed(data):
            receiver.wait.complete()

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Set the transport to pause while too much is unread. AssertionError where there is one already."""
        assert self._sluiceway.flow.transport is None, "Transport already set"
        self._sluiceway.flow.transport = transport

    def _replace_transport(self, transport: Any) -> None:
        assert self._sluiceway.flow.transport is not None, "Transport not set"
        self._sluiceway.flow.transport = transport

    def at_eof(self) -> bool:
        """True when the end of input was received and everything before it was read."""
        return self._sluiceway.end.reached and not self._sluiceway.buffer.size()

    @property
    def eof_reason(self) -> EofReason | None:
        """Why no more data will come, known before the last bytes are read.

        Returns:
            None while more may come; ``"clean"`` where the peer has ended its side (FIN; over TLS close_notify);
            ``"truncated"`` where TCP ended without TLS's close_notify (RFC 8446, 6.1); ``"reset"`` where the connection
            was lost with an error, which ``exception()`` returns; ``"closed"`` where it was closed here. The TLS of
            other transports than sluiceway's does not distinguish ``"truncated"`` from ``"clean"``.
        """
        return self._sluiceway.end.reason()

    # -- reads --------------------------------------------------------------------------------------------------------

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
        receiver = self._sluiceway
        if type(n) is not int:
            n = as_count(n, "read")
        if receiver.wait.operation is not None and n:
            receiver.wait.raise_busy("read")
        if n < 0:
            return await self._sluiceway_read_to_end()
        if receiver.budget.spend_read():
            await receiver.yield_to_loop("read")
        waited = False
        while True:
            data = read_by_size.some(receiver, n, waited)
            if data is not None:
                return data
            future = begin_wait(self, receiver, "read")
            receiver.wait.max_size = n
            try:
                await future
            finally:
                receiver.wait.end()
            waited = True

    async def _sluiceway_read_to_end(self) -> bytes:
        receiver = self._sluiceway
        try:
            while True:
                if receiver.end.exception is not None and receiver.end.due(receiver.buffer.size(), False):
                    raise receiver.end.exception
                if receiver.end.reached:
                    break
                receiver.wait.target_size = _EVERYTHING
                future = begin_wait(self, receiver, "read")
                try:
                    await future
                finally:
                    receiver.wait.end()
        finally:
            receiver.end_large_read()
        buffer = receiver.buffer
        data = buffer.take_all()
        receiver.resume_if_low()
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
        receiver = self._sluiceway
        if type(n) is not int:
            n = as_count(n, "readexactly")
        if n < 0:
            raise ValueError(f"readexactly size can not be less than zero: {n} was given")
        if receiver.wait.operation is not None and n:
            receiver.wait.raise_busy("readexactly")
        if receiver.budget.spend_read():
            await receiver.yield_to_loop("readexactly")
        data = read_by_size.exactly(receiver, n, False)
        if data is None:
            try:
                while data is None:
                    receiver.wait.target_size = n
                    future = begin_wait(self, receiver, "readexactly")
                    try:
                        await future
                    finally:
                        receiver.wait.end()
                    data = read_by_size.exactly(receiver, n, True)
            finally:
                receiver.end_large_read()
            receiver.resume_if_low()
        return data

    async def readuntil(self, separator: BytesLike | tuple[BytesLike, ...] = b"\n") -> bytes:
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
        separators = read_until.NEWLINE if separator is read_until.NEWLINE[0] else as_separators(separator)
        receiver = self._sluiceway
        if receiver.budget.spend_read():
            await receiver.yield_to_loop("readuntil")
        waited = False
        while True:
            record = read_until.record(receiver, separators, "readuntil", waited)
            if record is not None:
                return record
            future = begin_wait(self, receiver, "readuntil")
            try:
                await future
            finally:
                receiver.wait.end()
            waited = True

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
        receiver = self._sluiceway
        # A class or an object that overrides readuntil expects readline to go through it, as in asyncio.
        if receiver.intercepted and getattr(self.readuntil, "__func__", None) is not StreamReader.readuntil:
            try:
                return await self.readuntil(b"\n")
            except IncompleteReadError as error:
                return error.partial
            except LimitOverrunError as error:
                overrun = error
            # Out of the clause: the ValueError has no context, as in asyncio.
            read_until.drop_line(receiver, overrun.args[0], overrun.consumed)
        if receiver.budget.spend_read():
            await receiver.yield_to_loop("readline")
        waited = False
        while True:
            line = read_until.line(receiver, waited)
            if line is not None:
                return line
            future = begin_wait(self, receiver, "readline")
            try:
                await future
            finally:
                receiver.wait.end()
            waited = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
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
            receiver.wait.end()

    def _wakeup_waiter(self) -> None:
        self._sluiceway.wait.complete()

    def _maybe_resume_transport(self) -> None:
        self._sluiceway.resume_if_low()

    @property
    def _limit(self) -> int:
        return self._sluiceway.flow.limit

    @_limit.setter
    def _limit(self, limit: int) -> None:
        self._sluiceway.flow.limit = limit

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._sluiceway.loop

    @_loop.setter
    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sluiceway.loop = loop

    @property
    def _eof(self) -> bool:
        return self._sluiceway.end.reached

    @_eof.setter
    def _eof(self, reached: bool) -> None:
        self._sluiceway.end.reached = reached

    @property
    def _exception(self) -> BaseException | None:
        return self._sluiceway.end.exception

    @_exception.setter
    def _exception(self, exception: BaseException | None) -> None:
        self._sluiceway.end.exception = exception

    @property
    def _transport(self) -> Any:
        return self._sluiceway.flow.transport

    @_transport.setter
    def _transport(self, transport: Any) -> None:
        self._sluiceway.flow.transport = transport

    @property
    def _paused(self) -> bool:
        return self._sluiceway.flow.paused

    @_paused.setter
    def _paused(self, paused: bool) -> None:
        self._sluiceway.flow.paused = paused

    @property
    def _waiter(self) -> Any:
        return self._sluiceway.wait.future

    @_waiter.setter
    def _waiter(self, future: Any) -> None:
        self._sluiceway.wait.future = future

    @property
    def _buffer(self) -> bytearray:
        buffer = self._sluiceway.buffer
        if not isinstance(buffer, BytearrayBuffer):
            buffer = self._sluiceway.buffer = BytearrayBuffer(bytearray(buffer.take_all()))
        buffer.settle()
        buffer.forget_search()
        return buffer.data

    @_buffer.setter
    def _buffer(self, value: bytearray | bytes) -> None:
        buffer = self._sluiceway.buffer
        if not isinstance(buffer, BytearrayBuffer):
            # A transport may be receiving into it; the content of before is gone.
            buffer.clear()
        elif value is buffer.data:
            # ``reader._buffer += data``. What could not be moved into the bytearray yet is kept.
            return
        self._sluiceway.buffer = BytearrayBuffer(value if isinstance(value, bytearray) else bytearray(value))
