"""Receiver: the received bytes of a stream, the memory for them, and the read that waits.

The StreamReader refers to its Receiver. Transports have only weak references to the Receiver, so it is freed with the
reader.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .._constants import (
    BLOCK_MINIMUM,
    DIRECT_BUFFER_AHEAD,
    DIRECT_BUFFER_MINIMUM,
    EVERYTHING,
    FREE_OPERATIONS,
    MINIMUM_RECEIVE,
    SCRATCH_SIZE,
)
from .._errors import IncompleteReadError
from . import receive_memory
from .chunk_buffer import ChunkBuffer
from .direct_buffer import direct_buffer
from .discard import Discard
from .end_of_input import EndOfInput

# C integers in the compiled build.
_DIRECT_BUFFER_AHEAD = DIRECT_BUFFER_AHEAD
_DIRECT_BUFFER_MINIMUM = DIRECT_BUFFER_MINIMUM
_BLOCK_MINIMUM = BLOCK_MINIMUM
_SCRATCH_SIZE = SCRATCH_SIZE
# Less than what is missing for a target size of EVERYTHING, however many bytes are buffered.
_EVERYTHING = EVERYTHING // 2
_MINIMUM_RECEIVE = MINIMUM_RECEIVE
_FREE_OPERATIONS = FREE_OPERATIONS


class Receiver(EndOfInput):
    """The receiving side of a stream, and all state of a StreamReader.

    - ``buffer``: the unread bytes.
    - ``budget_used``: the number of reads and drains since the last read that waited, or the last yield to the loop.
      Without a bound on this number, a coroutine that never waits would starve the other tasks of its loop.
    - ``discard``: the Discard of bytes that are dropped as they arrive, or None.
    - ``received``, ``arrivals``: the number of bytes that have arrived, and how often bytes arrived.
    - ``handshake_size``: how many unread bytes start_tls() has taken as the beginning of its handshake. They include
      those of push_back(), so the number may exceed ``received``.
    - ``high_water``: the greatest number of unread bytes after an arrival.
    - ``guard``: the UnclosedGuard of the connection, or None. Only this object and the writer's Sender refer to it.
    """

    __slots__ = (
        "_block",
        "_direct",
        "_large",
        "_scratch",
        "arrivals",
        "budget_used",
        "buffer",
        "discard",
        "guard",
        "handshake_size",
        "high_water",
        "loop",
        "received",
    )

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop, intercepted: bool) -> None:
        EndOfInput.__init__(self, limit)
        self.intercepted = intercepted
        self.loop = loop
        self.buffer = ChunkBuffer()
        self.budget_used = 0
        self.discard: Discard | None = None
        self.guard: Any = None
        self.received = self.arrivals = self.handshake_size = self.high_water = 0
        self._scratch: Any = None
        # Where the memory is that was returned last: in the buffer ``_direct``, a DirectBuffer or CallerBuffer, or in
        # ``_block``. If both are None, it is in the Scratch.
        self._direct: Any = None
        self._block: Any = None
        # The last receive was large enough for a separate Block.
        self._large = False

    # -- the receive interface ----------------------------------------------------------------------------------------

    def attach(self, scratch: Any, waiters: Any) -> None:
        self._scratch = scratch
        # Each reader needs its own waiter: with a shared one, a wake-up could reach the wrong reader.
        if waiters is not None and self.source is None:
            self.source = waiters.new_waiter()

    def get_buffer(self, hint: int) -> Any:
        if self._direct is not None or self._block is not None:
            # The memory of the previous call is unused, because committed() was not called.
            self._direct = self._block = None
        buffer = self.buffer
        size = buffer.unread
        if size < 0:
            # Only derived classes have memory of their own.
            if self.target_size:
                target = buffer.direct(0)
                if target is not None:
                    self._direct = buffer
                    return target
            size = buffer.size()
        # As room().
        room = 2 * self.limit + self.target_size - size
        if room < _MINIMUM_RECEIVE:  # noqa: PLR1730 - called for each receive
            room = _MINIMUM_RECEIVE
        if self._large and self.max_size >= _BLOCK_MINIMUM and self.future is not None:
            self._block = receive_memory.block(min(room, self.max_size, _SCRATCH_SIZE))
            if self._block is not None:
                return self._block
        return self._scratch.part(room)

    def direct_buffer(self, size: int) -> Any:
        self._direct = self._block = None
        if not self.target_size:
            return None
        self._receive_directly()
        buffer = self.buffer
        target = buffer.direct(size)
        if target is not None:
            self._direct = buffer
        return target

    def committed(self, n: int) -> bool:
        if self._direct is not None:
            direct = self._direct
            self._direct = None
            if direct is not self.buffer:
                # Another thread replaced the buffer while these bytes were received.
                return self.feed(direct.late_bytes(n))
            direct.direct_committed(n)
            self.received += n
            self.arrivals += 1
            self._measure()
            return self.ready()
        if self._block is None:
            data = self._scratch.take(n)
        else:
            data = self._block.take(n)
            self._block = None
        self._large = n >= _BLOCK_MINIMUM
        if self.feed(data):
            return True
        if self.target_size:
            self._receive_directly()
        return False

    def feed(self, data: bytes) -> bool:
        self.received += len(data)
        self.arrivals += 1
        if self.discard is not None:
            data = self._without_discarded(data)
            if not data:
                # A skip() waits for the end of the dropped bytes.
                return self._discarded() and self.ready()
        buffer = self.buffer
        # Includes excess().
        size = buffer.append(data)
        if size > self.high_water:
            self._measure()
        if size > 2 * self.limit:
            self.pause_if_high(buffer)
        # As ready().
        if self.future is None:
            return False
        # Without the target size, the size of the buffer does not matter.
        return not self.target_size or self.buffer.size() >= self.target_size

    def _measure(self) -> None:
        buffer = self.buffer
        size = buffer.size()
        self.high_water = max(self.high_water, size)

    def wake(self) -> None:
        future = self.future
        if future is None:
            return
        source = self.source
        if future is source:
            self.future = None
            source.wake_now()
        else:
            self.complete_wait()

    def count_discarded(self, n: int) -> None:
        """Count ``n`` bytes that arrived after this side had begun to close, and were discarded."""
        self.received += n
        self.arrivals += 1

    def eof(self) -> None:
        self.eof_reached = True
        self.complete_wait()

    def lost(self, error: BaseException | None) -> None:
        if error is not None:
            self.exception = error
            self.after_data = True
        self.transport_ended()
        self.complete_wait()

    # -- state --------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Return True if a read waits and may be complete."""
        if self.future is None:
            return False
        return not self.target_size or self.buffer.size() >= self.target_size

    def fail(self, error: BaseException) -> None:
        """End the stream with ``error``, for set_exception().

        The waiting read and every later read raise ``error`` immediately. Buffered bytes are not returned any more,
        except by a read that was woken before the call. In contrast, the error of lost() is raised after the buffered
        bytes.
        """
        self.exception = error
        self.after_data = False
        future = self.future
        if future is not None:
            self.future = None
            if not future.done():
                future.set_exception(error)

    def transport_ended(self) -> None:
        """Record that the transport has ended. Set ``closed_here`` if neither end of file nor an error came before.

        The transport is not resumed any more, because resume_reading() of a transport that has ended may raise.
        """
        self.paused = False
        # A repeated call finds the end reached; see ReceiverProvider._sluiceway_finish_lost.
        if not self.eof_reached and self.exception is None:
            self.closed_here = True

    def share_transport(self) -> None:
        """Call share_transport() of the connection, if there is one: the program gets access to the transport."""
        if self.guard is not None:
            self.guard.share_transport()

    def incomplete(self, expected: int | None, message: str = "") -> IncompleteReadError:
        """Remove the buffered bytes. Return the IncompleteReadError that contains them, for a read at end of file.

        ``message`` replaces asyncio's message, if it is not empty. A TLS truncation is the ``__cause__`` of the error.
        """
        buffer = self.buffer
        error = IncompleteReadError(buffer.take_all(), expected)
        if message:
            error.args = (message,)
        if self.truncation is not None:
            error.__cause__ = self.truncation
        return error

    def incomplete_discard(self, call: str, stream: str) -> IncompleteReadError:
        """End ``discard``, which must not be None, at end of file, before all its bytes have arrived. Return the error.

        ``call``: the method that must raise the error. ``stream``: the description of its stream, for the message.
        """
        latest = self.discard
        assert latest is not None
        discard = latest.first()
        self.discard = None
        if discard.separators:
            return self.incomplete(None, f"{call}(): the stream ended inside a dropped record: {stream}")
        total, left = discard.total, discard.size
        return self.incomplete(
            total, f"{call}(): the stream ended after {total - left} of {total} bytes, which are dropped: {stream}"
        )

    # -- memory -------------------------------------------------------------------------------------------------------

    def room(self) -> int:
        """Return how many bytes a transport may receive next: at least MINIMUM_RECEIVE (contract R3)."""
        room = 2 * self.limit + self.target_size - self.buffer.size()
        return room if room > _MINIMUM_RECEIVE else _MINIMUM_RECEIVE  # noqa: FURB136 - called for each receive

    def take(self, n: int) -> bytes:
        """Remove and return the first ``n`` unread bytes, or all of them if there are fewer.

        If at most the limit remains, a paused transport is resumed first. If resume_reading() raises, no byte is
        removed.
        """
        if self.paused:
            self.resume_below(self.buffer.size() - n)
        buffer = self.buffer
        return buffer.take(n)

    def drop(self, discard: Discard, searched: int) -> None:
        """Drop the bytes that ``discard`` describes: those that are unread now, and the rest as it arrives.

        With separators, the first ``searched`` unread bytes have none. If there is no memory, nothing is dropped.
        """
        buffer = self.buffer
        size = buffer.size()
        if not discard.separators:
            if discard.size <= size:
                self.take(discard.size)
                return
            discard.shrink(size)
        else:
            rest = discard.feed(buffer.peek(size)[searched:])
            if rest is not None:
                self.take(size - len(rest))
                return
        earlier = self.discard
        if earlier is not None:
            # The unread bytes, if any, were inserted by push_back(), so they precede those of the earlier Discard.
            discard.follow(earlier)
        # Looked up again, because a finalizer that an allocation above ran may have replaced it.
        buffer = self.buffer
        try:
            buffer.take(size)
        except BaseException:
            if earlier is not None:
                discard.unfollow()
            raise
        # Nothing above has changed the stream if it raises.
        self.discard = discard
        if earlier is not None:
            earlier.earlier = None
        # Last, because a transport of the program may deliver bytes before resume_reading() returns.
        self.resume_if_low()

    def _without_discarded(self, data: bytes) -> bytes:
        """Return what ``discard``, which must not be None, leaves of the received ``data``."""
        discard = self.discard
        rest = None if discard is None else discard.feed(data)
        if rest is None:
            return b""
        self.discard = None
        return rest

    def _discarded(self) -> bool:
        return self.discard is None

    def resume_if_low(self) -> None:
        """Resume a paused transport if the number of unread bytes is at most the limit."""
        if self.paused:
            self.resume_below(self.buffer.size())

    def _receive_directly(self) -> None:
        """Replace the buffer with a DirectBuffer if the waiting read, such as readexactly(), lacks many bytes."""
        if self.discard is not None:
            return
        missing = self.target_size - self.buffer.size()
        if _DIRECT_BUFFER_MINIMUM <= missing < _EVERYTHING and type(self.buffer) is ChunkBuffer:
            unread = self.buffer
            direct = direct_buffer(unread, self.target_size, _DIRECT_BUFFER_AHEAD)
            if direct is None:
                return
            if self.buffer is unread and self.target_size:
                self.buffer = direct
            else:
                # A garbage collection in the call has run the loop nested. The nested loop has replaced ``unread``, and
                # so taken its bytes, or it has ended the read, which gets the bytes back.
                direct.plain_buffer()

    # -- waiting ------------------------------------------------------------------------------------------------------

    def begin_wait(self, operation: str) -> Any:
        """Begin a wait of the read ``operation``. Return the future to await, after which the caller calls end_wait().

        ``eof_reached`` must be False. The future completes when the read may be complete, or when the input has ended;
        it raises the error of set_exception(). So the caller must test the buffer and ``exception`` again. A paused
        transport is resumed, because it would deliver no data. Raise RuntimeError if another read waits.
        """
        if self.future is not None:
            self.raise_busy(operation)
        assert not self.eof_reached, "waiting for data after EOF"
        self.budget_used = 0
        if self.buffer.unread < 0:
            self.release_bytearray()
        future = self.enter_wait(operation, self.loop)
        if self.paused:
            # After enter_wait(), because a transport of the program may deliver bytes before it returns.
            try:
                self.resume()
            except BaseException:
                self.end_wait()
                raise
        return future

    def release_bytearray(self) -> None:
        """Replace a BytearrayBuffer with a ChunkBuffer, unless it is long or the program refers to its bytearray."""
        buffer = self.buffer
        self.buffer = buffer.unshared()

    def end_large_read(self) -> None:
        """Restore the usual buffer and bound of flow control after a read with a target size, and apply the bound.

        Raise MemoryError if there is no memory to move the bytes of the read to the usual buffer. A DirectBuffer then
        keeps its bytes, and stays the buffer. The bytes of a CallerBuffer are lost: every later read raises the error.
        """
        self.target_size = 0
        buffer = self.buffer
        if buffer.unread < 0:
            try:
                buffer = self.buffer = buffer.plain_buffer()
            except MemoryError as error:
                self.buffer = buffer.abandon()
                if self.buffer is not buffer:
                    # Received bytes are lost, so no later read may succeed.
                    self.fail(error)
                raise
        if buffer.size() > 2 * self.limit:
            self.pause_if_high(buffer)

    def spend_read(self) -> bool:
        """Count a read. Return True if the budget is exhausted, so that the read must yield to the event loop first."""
        self.budget_used += 1
        return self.budget_used > _FREE_OPERATIONS

    def renew_for_drain(self) -> bool:
        """Return True, and renew the budget, if a drain must yield to the event loop.

        Reads and drains are counted together. A drain yields after twice as many of them as a read.
        """
        if self.budget_used <= 2 * _FREE_OPERATIONS:
            return False
        self.budget_used = 0
        return True

    async def yield_to_loop(self, operation: str) -> None:
        """Let the event loop run one iteration before the read ``operation``, which counts as waiting until then.

        If another read waits already, return at once.
        """
        if self.operation is not None or self.future is not None:
            # The caller raises the error of a second read.
            return
        self.budget_used = 0
        if type(self.buffer) is not ChunkBuffer:
            self.release_bytearray()
        future = self.enter_wait(operation, self.loop)
        source = self.source
        connection = self.connection
        if connection is not None:
            connection.yields += 1
        try:
            if source is None:
                self.loop.call_soon(self._yielded, future)
            else:
                source.complete_soon()
            await future
        finally:
            self.end_wait()
            if connection is not None:
                connection.yields -= 1

    def _yielded(self, future: asyncio.Future[None]) -> None:
        if self.future is future:
            self.complete_wait()
