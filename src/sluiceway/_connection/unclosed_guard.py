"""Close a connection whose reader and writer the program has dropped without close()."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any, Protocol

from .loop_thread import run_after_collection, run_in_loop


class GuardedConnection(Protocol):
    """The attributes and methods of a Connection that UnclosedGuard uses."""

    closing: bool
    lost: bool
    loop: asyncio.AbstractEventLoop
    transport: Any
    writer_ref: Any

    def describe(self) -> str:
        """See Connection.describe()."""

    def creation(self) -> str:
        """Return the end of a message: where the connection was opened, or the handler that it was accepted for.

        The text begins with "; ". It is empty outside debug mode.
        """

    def transport_is_closing(self) -> bool:
        """Return True if the transport is closing or closed."""

    def share_transport(self) -> None:
        """Stop corking, because the program gets access to the transport."""

    def may_be_collected(self) -> bool:
        """See Connection.may_be_collected()."""

    def close_unreferenced(self) -> None:
        """See Connection.close_unreferenced()."""


class UnclosedGuard:
    """Closes a connection that is open when the guard is freed. Only the Receiver and the Sender refer to the guard."""

    __slots__ = ("_used", "connection")

    def __init__(self, connection: GuardedConnection) -> None:
        self._used = False
        self.connection = connection

    def share_transport(self) -> None:
        """Stop corking, because the program gets access to the transport through the reader."""
        self.connection.share_transport()

    def close(self, source: object) -> None:
        """Close the connection, and emit a ResourceWarning for ``source``. A second call has no effect.

        The caller has found that the connection is neither closing nor lost. If it has no transport yet, nothing is
        done. If its loop is closed, only the warning is emitted.
        """
        connection = self.connection
        if self._used or connection.transport is None or connection.transport_is_closing():
            return
        self._used = True
        loop = connection.loop
        if loop.is_closed():
            message = f"loop is closed: unclosed {connection.describe()}"
        else:
            # A pipe that is read has no writer.
            half = "StreamReader" if connection.writer_ref is None else "StreamWriter"
            try:
                unclosed = f"<{half} transport={connection.transport!r}>"
                message = f"unclosed {unclosed}, {connection.describe()}{connection.creation()}"
            finally:
                # Even if the repr of a program's transport raises.
                run = run_after_collection if connection.may_be_collected() else run_in_loop
                run(loop, connection.close_unreferenced)
        warnings.warn(message, ResourceWarning, stacklevel=3, source=source)

    def __del__(self) -> None:
        try:
            connection = self.connection
        except AttributeError:
            # __init__() was interrupted.
            return
        if not connection.closing and not connection.lost:
            self.close(connection)
