"""Linger: the close of a side that answers before it has read everything that the peer sends.

If a socket is closed while it has unread bytes, the kernel sends a reset, which may overtake the answer and destroy it
(RFC 1122, section 4.2.2.13; RFC 9112, section 9.6). Therefore the writing direction is ended first. What the peer still
sends is discarded until it ends its direction too, for a bounded time and number of bytes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from .._constants import LINGER_MAXIMUM
from .._implementation import core
from .._transports.protocol_calls import finish_lost_soon

if TYPE_CHECKING:
    from .._core import ReceiverProvider, TimeLimit
else:
    ReceiverProvider, TimeLimit = core.ReceiverProvider, core.TimeLimit

# Received bytes are discarded here. All connections use the same memory, which nothing reads.
_DISCARDED = bytearray(64 * 1024)


class LingeringConnection(Protocol):
    """The attributes and methods of a Connection that Linger uses."""

    loop: asyncio.AbstractEventLoop
    receiver_ref: Any
    transport: Any

    def finish_close(self) -> None:
        """Close the transport."""


class Linger(ReceiverProvider, asyncio.BufferedProtocol):
    """A protocol that discards what its transport receives, and then closes the transport.

    The transport is closed when the peer has ended its direction, when ``seconds`` have passed since all written data
    was sent, or when more than LINGER_MAXIMUM bytes have arrived, whichever comes first. The transport refers to
    this object until the connection has ended. The previous protocol gets the events for which the program waits:
    resume_writing(), and the end of the connection.
    """

    def __init__(self, connection: LingeringConnection, seconds: float) -> None:
        # Without a receiver, every received byte goes through the methods of this object.
        super().__init__(core.ReceiverReference())
        self._connection = connection
        self._seconds = seconds
        self._left = LINGER_MAXIMUM
        self._paused_here = False
        self._limit = TimeLimit(core.timer_of(connection.loop), self)
        self._transport = connection.transport
        self._previous: Any = self._transport.get_protocol()

    def start(self) -> None:
        """End the writing direction after the buffered data, and discard what arrives.

        ``can_write_eof()`` of the transport must be True.
        """
        transport = self._transport
        # Some loops choose how to receive, into memory of the protocol or not, when reading starts.
        transport.pause_reading()
        transport.set_protocol(self)
        try:
            transport.write_eof()
        except OSError:
            # The peer has reset the connection, which the loop's own transport has not noticed yet.
            self._finish()
            return
        transport.resume_reading()
        # With a high-water mark of 0, resume_writing() reports that all data has been sent.
        transport.set_write_buffer_limits(high=0)
        if not transport.get_write_buffer_size():
            self._sent()

    def _sent(self) -> None:
        if not self._limit.armed:
            self._limit.start(self._seconds, "linger")

    def _finish(self) -> None:
        # This object stays the protocol: the transport may still report to it that writing resumes.
        self._limit.stop()
        self._connection.finish_close()

    def _time_limit_expired(self, limit: TimeLimit) -> bool:
        self._finish()
        return True

    def get_buffer(self, sizehint: int) -> bytearray:
        return _DISCARDED

    def buffer_updated(self, nbytes: int) -> None:
        reference = self._connection.receiver_ref
        receiver = None if reference is None else reference()
        if receiver is not None:
            # A connection on which bytes arrive is not idle.
            receiver.count_discarded(nbytes)
        self._left -= nbytes
        if self._left < 0:
            self._finish()

    def eof_received(self) -> bool:
        # Not passed on: bytes may have been discarded, so the input must not look complete.
        self._finish()
        return True

    def pause_writing(self) -> None:
        self._paused_here = True

    def resume_writing(self) -> None:
        if not self._paused_here:
            self._previous.resume_writing()
        self._sent()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._limit.stop()
            self._previous.connection_lost(exc)
        except BaseException:
            # A signal handler may have raised. A transport of the loop does not report the end again.
            finish_lost_soon(self._connection.loop, self, exc)
            raise

    def _sluiceway_finish_lost(self, error: Exception | None) -> None:
        self._limit.stop()
        previous = self._previous
        if isinstance(previous, ReceiverProvider):
            previous._sluiceway_finish_lost(error)
        else:
            # The adapter of a loop's own transport.
            previous.connection_lost(error)
