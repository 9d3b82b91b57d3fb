"""Closing in bounded time: a closing transport that makes no progress is aborted (contract X1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .._log import logger


def pending_bytes(transport: Any) -> int:
    """The bytes that the kernel has not taken; 0 over uvloop's TLS, which hides them and ends by itself."""
    try:
        pending = transport.get_write_buffer_size()
    except (AttributeError, NotImplementedError):
        return 0
    return pending if isinstance(pending, int) else 0


class CloseTimeout:
    """Checks every ``seconds`` that the kernel took some of the ``pending`` bytes that ``transport`` has to send."""

    __slots__ = ("_describe", "_loop", "_pending", "_seconds", "_timer", "_transport")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: Any,
        pending: int,
        seconds: float,
        describe: Callable[[], str],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._seconds = seconds
        self._describe = describe
        self._pending = pending
        self._timer: asyncio.TimerHandle | None = loop.call_later(seconds, self._check)

    def running(self) -> bool:
        """False where everything was sent, or the transport was aborted."""
        return self._timer is not None

    def cancel(self) -> None:
        """The transport has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        pending = pending_bytes(self._transport)
        if not pending:
            return
        if pending < self._pending:
            self._pending = pending
            self._timer = self._loop.call_later(self._seconds, self._check)
            return
        logger.warning(
            "%s: closed, but the peer took nothing for %g s; aborted with %d bytes unsent",
            self._describe(),
            self._seconds,
            pending,
        )
        self._transport.abort()
