"""accept() that leaks no descriptor, even if a signal handler raises an exception during the call."""

from __future__ import annotations

import collections
import itertools
import os
import socket
from typing import Any


class SocketSource:
    """Accepts connections from one listening socket.

    Python runs signal handlers between two bytecode instructions. The C code of accept() runs them only if a signal has
    interrupted the system call, which has then accepted nothing. One call of C code moves the descriptor from the
    kernel into ``_accepted``, and another call moves it from there into a socket object. If an exception is raised
    between the two calls, the next ``accept()`` or ``close()`` closes the descriptor.
    """

    __slots__ = ("_accept", "_accepted", "_calling", "_kind", "_socket")

    def __init__(self, listener: socket.socket) -> None:
        overridden = type(listener).accept is not socket.socket.accept
        call = listener.accept if overridden else listener._accept  # type: ignore[attr-defined]
        # Arguments of the accepted sockets, as integers: socket.accept() would convert them to enumerations for each
        # connection. None for a listening socket of a program's class.
        self._kind = None if overridden else (int(listener.family), int(listener.type), listener.proto)
        # At most one pair: the descriptor, or the socket of a program's class, and the address of the peer.
        self._accepted: collections.deque[tuple[Any, Any]] = collections.deque()
        # next() calls accept() and appends the result, all in C code.
        self._accept = map(self._accepted.append, itertools.starmap(call, itertools.repeat(())))
        self._socket: socket.socket | None = None
        self._calling = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Return an accepted socket and the address of the peer. Raise the same errors as ``socket.accept()``."""
        accepted = self._accepted
        if accepted:
            self.close()
        self._calling = True
        next(self._accept)
        self._calling = False
        sock, address = accepted[0]
        if self._kind is not None:
            fd = sock
            family, kind, proto = self._kind
            # close() must find the object even if an exception occurs right after it has the descriptor.
            # pytest-socket replaces the class, and its __new__() tests the family.
            new: Any = socket.socket.__new__
            sock = self._socket = new(socket.socket, family, kind, proto, fd)
            socket.socket.__init__(sock, family, kind, proto, fd)
        accepted.pop()
        self._socket = None
        return sock, address

    def call_failed(self) -> bool:
        """Return True if the system call of an accept() that has raised failed, False if a signal handler has raised.

        Call this after each accept() that has raised. It closes a connection that was accepted nevertheless.
        """
        failed = self._calling and not self._accepted
        self._calling = False
        self.close()
        return failed

    def close(self) -> None:
        """Close the descriptor that an exception in accept() has left open, if any. The listening socket stays open."""
        accepted = self._accepted
        if self._kind is None or (accepted and self._socket is not None and self._socket.fileno() == accepted[0][0]):
            # The socket object owns the descriptor, and closes it.
            accepted.clear()
        self._socket = None
        if accepted:
            os.close(accepted.pop()[0])

    def __del__(self) -> None:
        self.close()
