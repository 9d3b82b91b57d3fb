"""accept() without a leak: a signal handler that raises, at any moment, leaves no descriptor that nothing closes."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Any


class SocketSource:
    """Accepts from one listening socket.

    Python runs a signal handler between two instructions, never inside a call of C code. So the descriptor moves from
    the kernel into ``_accepted``, and from there into a socket object, by one such call each. What an exception leaves
    behind between them is closed by the next ``accept()`` or by ``close()``.
    """

    __slots__ = ("_accept", "_accepted", "_kind", "_socket")

    def __init__(self, listener: socket.socket) -> None:
        overridden = type(listener).accept is not socket.socket.accept
        self._accept: Any = iter(listener.accept if overridden else listener._accept, None)  # type: ignore[attr-defined]
        # What socket.accept() would convert to enumerations for each connection; None for sockets of a program's class.
        self._kind = None if overridden else (int(listener.family), int(listener.type), listener.proto)
        # The descriptor, or the socket of a program's class, and the address of the peer.
        self._accepted: list[tuple[Any, Any]] = []
        self._socket: socket.socket | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connected socket and the address of the peer; raise what ``socket.accept()`` raises."""
        accepted = self._accepted
        if accepted:
            self.close()
        accepted.extend(itertools.islice(self._accept, 1))
        sock, address = accepted[0]
        if self._kind is not None:
            fd = sock
            # The object exists before it owns the descriptor.
            sock = self._socket = socket.socket.__new__(socket.socket)
            socket.socket.__init__(sock, *self._kind, fileno=fd)
        accepted.clear()
        self._socket = None
        return sock, address

    def close(self) -> None:
        """Close what an exception has left behind."""
        accepted = self._accepted
        if self._kind is None or (accepted and self._socket is not None and self._socket.fileno() == accepted[0][0]):
            # The socket object owns the descriptor, and closes it.
            accepted.clear()
        self._socket = None
        if accepted:
            os.close(accepted.pop()[0])

    def __del__(self) -> None:
        self.close()
