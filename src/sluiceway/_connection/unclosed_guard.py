"""The guard that reader and writer of a connection share: it closes a connection that both have left (contract X5)."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any, Protocol

from .loop_thread import run_in_loop


class GuardedConnection(Protocol):
    """What the guard needs of a connection."""

    closing: bool
    lost: bool
    loop: asyncio.AbstractEventLoop
    transport: Any

    def transport_is_closing(self) -> bool:
        """Whether the transport has begun to end."""

    def close(self) -> None:
        """Send what is buffered, then close."""


class UnclosedGuard:
    """Held by the reader and the writer of a connection, and by nothing else."""

    __slots__ = ("__weakref__", "_connection")

    def __init__(self, connection: GuardedConnection) -> None:
        self._connection = connection

    def __del__(self) -> None:
        close_unreferenced(self._connection, self)


def close_unreferenced(connection: GuardedConnection, source: object) -> None:
    """The program cannot close ``connection`` any more: close it, and warn of ``source`` if it was open."""
    if connection.closing or connection.lost or connection.transport is None or connection.transport_is_closing():
        return
    loop = connection.loop
    if loop.is_closed():
        warnings.warn("loop is closed", ResourceWarning, stacklevel=3, source=source)
        return
    description = f"unclosed <StreamWriter transport={connection.transport!r}>"
    run_in_loop(loop, connection.close)
    warnings.warn(description, ResourceWarning, stacklevel=3, source=source)
