"""The close timeout: a closing transport that makes no progress for some time is aborted."""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import Any, Protocol

from .._log import logger
from .close_info import CloseReason

if sys.platform != "win32":
    import fcntl
    import termios


def pending_bytes(transport: Any) -> int:
    """Return the number of written bytes that the kernel has not accepted from ``transport``; 0 if it is unknown.

    ``transport`` may be None: uvloop's TLS gives no access to the transport below it.
    """
    try:
        pending = transport.get_write_buffer_size()
    except (AttributeError, NotImplementedError):
        return 0
    return pending if isinstance(pending, int) else 0


def unacknowledged_bytes(transport: Any) -> int:
    """Return how much data the kernel has accepted and the peer has not acknowledged; 0 if unknown.

    The call uses the descriptor, which ends corking on the engine. So it must be made only while the connection closes.

    For TCP this is the number of bytes. For a Unix socket it is the memory of the data that the peer has not read.

    CloseTimeout counts these bytes because ``pending_bytes`` does not show all progress of a peer that reads slowly: a
    transport with unsent bytes sends more only when the kernel reports the socket as writable. On Linux, that is when
    a third of the send buffer of a TCP socket (which grows to 4 MiB) or three quarters of that of a Unix socket are
    free.
    """
    if sys.platform == "win32":
        return 0
    try:
        sock = transport.get_extra_info("socket")
        queued: int = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    except Exception:  # noqa: BLE001 - a transport of the program may have no socket, or raise anything
        return 0
    return queued


class ClosingConnection(Protocol):
    """The attributes and methods of a Connection that CloseTimeout uses."""

    loop: asyncio.AbstractEventLoop

    def ending(self) -> bool:
        """Return True if close() was called, or the transport is closing for another reason."""

    def describe(self) -> str:
        """See Connection.describe()."""

    def record_abort(self, reason: CloseReason) -> None:
        """Record why the transport is about to be aborted."""

    def close_timeout_ended(self, timeout: CloseTimeout) -> None:
        """Called when ``timeout`` makes no further count. The connection must drop its reference to ``timeout``."""


class CloseTimeout:
    """Aborts a closing transport after one to two times ``seconds`` without progress.

    Every ``seconds``, the bytes that the kernel has not accepted and those that the peer has not acknowledged are
    counted. If the connection was closing at the previous count, and neither the first number nor the sum of both has
    decreased since then, the transport is aborted. Otherwise a further count follows, unless the kernel has accepted
    every byte.

    At its end, the timeout lets the connection drop it. Otherwise both would refer to each other if the program has set
    another protocol, with which the connection does not notice the end of its transport.

    The timeout may start while the connection is open, because a loop's own transport does not report when it starts to
    close. While the connection is open, a count aborts nothing.
    """

    __slots__ = ("_closing", "_connection", "_pending", "_seconds", "_timer", "_transport", "_unacknowledged")

    def __init__(self, connection: ClosingConnection, transport: Any, seconds: float) -> None:
        self._connection = connection
        self._transport = transport
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._start()

    def _start(self) -> None:
        self._closing = self._connection.ending()
        self._pending = pending_bytes(self._transport)
        # Access to the descriptor ends corking, which does not matter while the connection closes.
        self._unacknowledged = unacknowledged_bytes(self._transport) if self._closing else 0
        if self._pending:
            self._timer = self._connection.loop.call_later(self._seconds, self._check)
        else:
            self._connection.close_timeout_ended(self)

    def running(self) -> bool:
        """Return True while a count is scheduled: until one finds all bytes sent, or aborts, or cancel() is called."""
        return self._timer is not None

    def counts(self) -> bool:
        """Return True if the timeout is running, and the connection was closing when unsent bytes were last counted."""
        return self._timer is not None and self._closing

    def cancel(self) -> None:
        """Stop the timeout: the transport has ended, or another CloseTimeout replaces this one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        pending = pending_bytes(self._transport)
        if not self._closing or self._progress(pending):
            self._start()
            return
        try:
            logger.warning(
                "%s: close timed out: the kernel and the peer accepted no data for %g s; aborted with %d bytes unsent",
                self._connection.describe(),
                self._seconds,
                pending,
            )
        finally:
            # Even if the log raises, for example because no descriptor is left for its file.
            self._connection.record_abort("close timeout")
            self._connection.close_timeout_ended(self)
            self._transport.abort()

    def _progress(self, pending: int) -> bool:
        """Return True if the kernel or the peer has accepted data since the last count."""
        if pending < self._pending:
            return True
        return pending + unacknowledged_bytes(self._transport) < self._pending + self._unacknowledged
