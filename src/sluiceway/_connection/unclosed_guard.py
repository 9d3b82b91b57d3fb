"""Close a connection whose reader and writer the program has dropped without close()."""

from __future__ import annotations

import asyncio
import gc
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

    def close_unreferenced(self) -> None:
        """See Connection.close_unreferenced()."""


class UnclosedGuard:
    """Closes a connection that is open when the guard is freed; see close_unreferenced() below.

    Only the Receiver of the reader and the Sender of the writer refer to the guard.

    The garbage collector runs the finalizers of all objects that it has found, and then clears the objects. The
    finalizer of a socket closes the descriptor, even if another finalizer has made the socket reachable. Therefore the
    finalizer of a guard that the collector has found only creates a successor. Only the guard refers to the successor,
    which is freed, and closes the connection, when the collector clears the guard.
    """

    __slots__ = ("_successor", "connection")

    def __init__(self, connection: GuardedConnection) -> None:
        self.connection = connection

    def share_transport(self) -> None:
        """Stop corking, because the program gets access to the transport through the reader."""
        self.connection.share_transport()

    def __del__(self) -> None:
        try:
            connection = self.connection
        except AttributeError:
            # __init__() was interrupted.
            return
        if connection.closing or connection.lost:
            return
        if gc.is_finalized(self) and not connection.loop.is_closed():
            # The collector runs this finalizer. The successor refers to the connection, which may refer to a waiting
            # task, and so to this guard. In this case the collector does not clear the guard, but the loop closes.
            self._successor = _Successor(connection)
            run_after_collection(connection.loop, close_unreferenced, connection, connection)
        else:
            close_unreferenced(connection, connection)


class _Successor:
    """Closes a connection when it is freed; see UnclosedGuard."""

    __slots__ = ("_connection",)

    def __init__(self, connection: GuardedConnection) -> None:
        self._connection = connection

    def __del__(self) -> None:
        try:
            connection = self._connection
        except AttributeError:
            # __init__() was interrupted.
            return
        close_unreferenced(connection, connection)


def close_unreferenced(connection: GuardedConnection, source: object) -> None:
    """Close ``connection``, and emit a ResourceWarning for ``source``.

    If the connection has no transport yet, is closing or has ended, nothing is done. If its loop is closed, only the
    warning is emitted.
    """
    if connection.closing or connection.lost or connection.transport is None or connection.transport_is_closing():
        return
    loop = connection.loop
    if loop.is_closed():
        warnings.warn(f"loop is closed: unclosed {connection.describe()}", ResourceWarning, stacklevel=3, source=source)
        return
    # A pipe that is read has no writer.
    half = "StreamReader" if connection.writer_ref is None else "StreamWriter"
    unclosed = f"<{half} transport={connection.transport!r}>"
    description = f"unclosed {unclosed}, {connection.describe()}{connection.creation()}"
    run_in_loop(loop, connection.close_unreferenced)
    warnings.warn(description, ResourceWarning, stacklevel=3, source=source)
