"""What arrived and who waits for it: the side of a reader that the transport calls, flow control, and waiting.

One read at a time owns the stream, from its first wait to its end.

A connection's loss is not the same as ``set_exception``: the first is told after the bytes that came before it
(contract R2), the second at once, as in asyncio.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from .._constants import FREE_OPERATIONS, MINIMUM_RECEIVE
from .._errors import IncompleteReadError
from .chunk_buffer import ChunkBuffer
from .validation import as_bytes

# Again, under names that the compiled twin keeps as numbers.
_MINIMUM_RECEIVE = MINIMUM_RECEIVE
_FREE_OPERATIONS = FREE_OPERATIONS


class IncomingCore:
    """State of a StreamReader, and everything that is done to it but reading."""

    _loop: asyncio.AbstractEventLoop

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop, intercepted: bool = True) -> None:
        self._limit = limit
        self._loop = loop
        self._ps_unread = ChunkBuffer()
        self._eof = False
        self._exception: BaseException | None = None
        self._ps_exception_after_data = False
        # TLS: the peer's end that did not come from the peer, as the error that it may be.
        self._ps_cut_short: BaseException | None = None
        # The transport has ended, by our close, before the peer did.
        self._ps_closed = False
        self._transport: Any = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._ps_operation: str | None = None
        self._ps_holder: asyncio.Task[Any] | None = None
        # Makes what a read awaits where the transport has something better than a future of the loop.
        self._ps_waiter_source: Any = None
        # Set where feed_data, readuntil or _wait_for_data are somebody else's: all that goes through them has to.
        self._ps_intercepted = intercepted
        # Held for as long as the reader is, by the connection's wish.
        self._ps_lifeline: object = None
        # Bytes that the pending read asked for beyond what flow control allows to be held.
        self._ps_wanted = 0
        # Bytes that the pending read(n) takes at most.
        self._ps_asked = 0
        # Reads and drains since the last one that had to wait.
        self._ps_spent = 0

    # -- what the transport's side calls ----------------------------------------------------------------------------

    def _ps_hold(self, lifeline: object) -> None:
        self._ps_lifeline = lifeline

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
        self._ps_closed = not self._eof and self._exception is None

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

    @property
    def eof_reason(self) -> str | None:
        """Why no more will come, known before the last bytes are read.

        Returns:
            None while more may come; ``"clean"`` where the peer has ended its side (FIN; over TLS close_notify);
            ``"truncated"`` where TCP ended without TLS's close_notify (RFC 8446, 6.1); ``"reset"`` where the connection
            was lost with an error, which ``exception()`` returns; ``"closed"`` where it was closed here. The TLS of
            other transports than sluiceway's does not tell ``"truncated"`` from ``"clean"``.
        """
        if self._ps_cut_short is not None:
            return "truncated"
        if self._ps_closed:
            return "closed"
        if self._exception is not None and not (self._eof and self._ps_exception_after_data):
            return "reset"
        return "clean" if self._eof else None

    def _ps_incomplete(self, expected: int | None) -> IncompleteReadError:
        """The error of a read that the end of input has cut short; it takes what there is."""
        error = IncompleteReadError(self._ps_unread.take_all(), expected)
        if self._ps_cut_short is not None:
            error.__cause__ = self._ps_cut_short
        return error

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
        if self._ps_arrive(data):
            self._wakeup_waiter()

    def _ps_arrive(self, data: bytes) -> bool:
        """Take in ``data``. True where somebody waits for no more than there is now; who that is, the caller is to wake
        when all state is as it should be."""
        held = self._ps_unread.append(data)
        if held > 2 * self._limit:
            self._ps_relieve()
        return self._ps_satisfied()

    def _ps_satisfied(self) -> bool:
        """Whether somebody waits for no more than there is."""
        return self._waiter is not None and self._ps_unread.held() >= self._ps_wanted

    def set_transport(self, transport: Any) -> None:
        """Name the transport to pause while too much is unread. AssertionError where there is one already."""
        assert self._transport is None, "Transport already set"
        self._transport = transport

    def _ps_receive_room(self) -> int:
        """How many bytes may be asked of the kernel now (contract R3)."""
        return self._ps_room()

    def _ps_room(self) -> int:
        room = 2 * self._limit + self._ps_wanted - self._ps_unread.held()
        return room if room > _MINIMUM_RECEIVE else _MINIMUM_RECEIVE  # noqa: FURB136 - called for each arrival

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
        if self._ps_intercepted and getattr(self._wait_for_data, "__func__", None) is not IncomingCore._wait_for_data:
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
        return self._ps_own(operation)

    def _ps_own(self, operation: str) -> Any:
        self._ps_operation = operation
        self._ps_spent = 0
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
        self._ps_asked = 0
        if self._ps_waiter_source is None:
            self._ps_holder = None
        else:
            self._ps_waiter_source.end()

    def _ps_tired(self) -> bool:
        """Count a read. True where so many reads and drains found all they needed that the loop is due its turn."""
        self._ps_spent += 1
        return self._ps_spent > _FREE_OPERATIONS

    async def _ps_rest(self, operation: str) -> None:
        """Let the loop have its turn; ``operation`` owns the stream meanwhile, and has taken nothing yet."""
        if self._ps_operation is not None or self._waiter is not None:
            # To be refused; that needs no rest.
            return
        waiter = self._ps_own(operation)
        if self._ps_waiter_source is None:
            self._loop.call_soon(self._ps_rested, waiter)
        else:
            self._ps_waiter_source.rest()
        try:
            await waiter
        finally:
            self._ps_end_wait()

    def _ps_rested(self, waiter: asyncio.Future[None]) -> None:
        if self._waiter is waiter:
            self._wakeup_waiter()

    def _ps_want_no_more(self) -> None:
        """The read that needed more than flow control allows to be held has ended."""
        self._ps_wanted = 0
        self._ps_unread = self._ps_unread.settled()
        if self._ps_unread.held() > 2 * self._limit:
            self._ps_relieve()

    async def _wait_for_data(self, func_name: str) -> None:
        """asyncio's name for one wait, which subclasses call."""
        waiter = self._ps_begin_wait(func_name)
        try:
            await waiter
        finally:
            self._ps_end_wait()

    def _ps_refuse(self, operation: str) -> NoReturn:
        source = self._ps_waiter_source
        holder: Any = self._ps_holder if source is None else source.holder()
        held = f"{self._ps_operation}()" if self._ps_operation else "a read"
        by = f" of task {holder.get_name()!r}" if hasattr(holder, "get_name") else ""
        raise RuntimeError(
            f"{operation}() called while another coroutine is already waiting for incoming data: {held}{by}"
        )

    def _maybe_resume_transport(self) -> None:
        if self._paused and self._ps_unread.held() <= self._limit:
            self._paused = False
            self._transport.resume_reading()
