"""accept() without a leak: a signal handler that raises at any moment leaks no descriptor."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Any


class SocketSource:
    """Accepts connections from one listening socket.

    Python runs a signal handler between two instructions, never inside a call of C code. One such call moves the
    descriptor from the kernel into ``_accepted``, and another one from there into a socket object. If an exception
    occurs between the two calls, the next ``accept()`` or ``close()`` closes the descriptor.
    """

    __slots__ = ("_accept", "_accepted", "_kind", "_socket")

    def __init__(self, listener: socket.socket) -> None:
        overridden = type(listener).accept is not socket.socket.accept
        self._accept: Any = iter(listener.accept if overridden else listener._accept, None)  # type: ignore[attr-defined]
        # Arguments of the accepted sockets, as integers: socket.accept() would convert them to enumerations for each
        # connection. None for a listening socket of a program's class.
        self._kind = None if overridden else (int(listener.family), int(listener.type), listener.proto)
        # At most one pair: the descriptor, or the socket of a program's class, and the address of the peer.
        self._accepted: list[tuple[Any, Any]] = []
        self._socket: socket.socket | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """Return a connected socket and the address of the peer. Raises the errors of ``socket.accept()``."""
        accepted = self._accepted
        if accepted:
            self.close()
        accepted.extend(itertools.islice(self._accept, 1))
        sock, address = accepted[0]
        if self._kind is not None:
            fd = sock
            # close() must find the object even if an exception occurs right after it has the descriptor.
            sock = self._socket = socket.socket.__new__(socket.socket)
            socket.socket.__init__(sock, *self._kind, fileno=fd)
        accepted.clear()
        self._socket = None
        return sock, address

    def close(self) -> None:
        """Close a descriptor that an exception in accept() has left open."""
        accepted = self._accepted
        if self._kind is None or (accepted and self._socket is not None and self._socket.fileno() == accepted[0][0]):
            # The socket object owns the descriptor, and closes it.
            accepted.clear()
        self._socket = None
        if accepted:
            os.close(accepted.pop()[0])

    def __del__(self) -> None:
        self.close()
