"""Closing in bounded time: a closing transport that makes no progress is aborted (contract X1)."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from .._log import logger


def pending_bytes(transport: Any) -> int:
    """The bytes that the kernel has not taken; 0 over uvloop's TLS, which hides them and ends by itself."""
    try:
        pending = transport.get_write_buffer_size()
    except (AttributeError, NotImplementedError):
        return 0
    return pending if isinstance(pending, int) else 0


class ClosingConnection(Protocol):
    """What the timeout needs of a connection."""

    loop: asyncio.AbstractEventLoop

    def ending(self) -> bool:
        """Whether the connection closes, from whichever side."""

    def describe(self) -> str:
        """Both ends, as a log line names them."""


class CloseTimeout:
    """Checks every ``seconds`` that the kernel took some of the bytes that ``transport`` has to send.

    While the connection is open it only looks whether it closes by now: a loop's own transport does not report that.
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
        """False where everything was sent, or the transport was aborted."""
        return self._timer is not None

    def counts(self) -> bool:
        """Whether it runs, and the connection was closing at the last check."""
        return self._timer is not None and self._closing

    def cancel(self) -> None:
        """The transport has ended."""
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
            "%s: closed, but the peer took nothing for %g s; aborted with %d bytes unsent",
            self._connection.describe(),
            self._seconds,
            pending,
        )
        self._transport.abort()
