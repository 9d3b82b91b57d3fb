"""TransportSocket: the object that ``get_extra_info("socket")`` of the engine's transports returns.

The engine corks writes: it delays small writes, to send them together. A program that uses ``fileno()``, ``dup()``,
``shutdown()`` or ``_sock`` may write to the descriptor, or pass it to another process. Data that was written to the
transport before must be sent first. Therefore such a use sends the corked data, and later writes of the connection are
not corked (contract W9, docs/explanation/contracts.md). The methods that the class overrides have no such effect,
because many programs set a socket option on each connection.
"""

from __future__ import annotations

import socket
from asyncio import trsock
from typing import Any

from .stream_socket import StreamSocket


class TransportSocket(trsock.TransportSocket):
    """asyncio's TransportSocket. A use of ``fileno()``, ``dup()``, ``shutdown()`` or ``_sock`` ends corking."""

    __slots__ = ("_plain", "_raw")

    def __init__(self, sock: socket.socket, raw: StreamSocket) -> None:
        self._plain = trsock.TransportSocket(sock)
        self._raw = raw

    @property
    def _sock(self) -> socket.socket:
        """The socket. The methods that this class does not override get it here. An access ends corking."""
        self._raw.share()
        sock: socket.socket = self._plain._sock  # type: ignore[attr-defined]
        return sock

    def __repr__(self) -> str:
        return repr(self._plain)

    @property
    def family(self) -> int:
        return self._plain.family

    @property
    def type(self) -> int:
        return self._plain.type

    @property
    def proto(self) -> int:
        return self._plain.proto

    def getsockopt(self, *args: Any) -> Any:
        return self._plain.getsockopt(*args)

    def setsockopt(self, *args: Any) -> None:
        self._plain.setsockopt(*args)

    def getpeername(self) -> Any:
        return self._plain.getpeername()

    def getsockname(self) -> Any:
        return self._plain.getsockname()
