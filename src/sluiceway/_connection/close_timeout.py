"""The close timeout: a closing transport that makes no progress is aborted, so every close ends (contract X1)."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from .._log import logger


def pending_bytes(transport: Any) -> int:
    """Return the number of bytes that the kernel has not accepted.

    It is 0 over uvloop's TLS, which does not expose the number and has its own shutdown timeout.
    """
    try:
        pending = transport.get_write_buffer_size()
    except (AttributeError, NotImplementedError):
        return 0
    return pending if isinstance(pending, int) else 0


class ClosingConnection(Protocol):
    """The part of a connection that the timeout uses."""

    loop: asyncio.AbstractEventLoop

    def ending(self) -> bool:
        """Return True if either side is closing the connection."""

    def describe(self) -> str:
        """Return the addresses of both ends, for messages."""


class CloseTimeout:
    """Aborts a closing transport if the kernel accepts no byte from it within ``seconds``.

    It may start while the connection is still open, because a loop's own transport does not report when it starts to
    close. A check then aborts nothing, and only tests whether the connection is closing.
    """

    __slots__ = ("_closing", "_connection", "_pending", "_seconds", "_timer", "_transport")

    def __init__(self, connection: ClosingConnection, transport: Any, seconds: float) -> None:
        self._connection = connection
        self._transport = transport
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._start()

    def _start(self) -> None:
        self._closing = self._connection.ending()
        self._pending = pending_bytes(self._transport)
        if self._pending:
            self._timer = self._connection.loop.call_later(self._seconds, self._check)

    def running(self) -> bool:
        """Return False once all bytes were sent or the transport was aborted."""
        return self._timer is not None

    def counts(self) -> bool:
        """Return True if the timeout is running and the connection was closing at the last check."""
        return self._timer is not None and self._closing

    def cancel(self) -> None:
        """Stop the timeout, because the transport has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        pending = pending_bytes(self._transport)
        if not self._closing or pending < self._pending:
            self._start()
            return
        logger.warning(
            "%s: close timed out: the kernel accepted no data for %g s; aborted with %d bytes unsent",
            self._connection.describe(),
            self._seconds,
            pending,
        )
        self._transport.abort()
