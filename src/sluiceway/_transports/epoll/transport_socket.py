"""TransportSocket: what ``get_extra_info("socket")`` of the engine's transports returns.

A program that gets the descriptor may write to it, or give it to another process. What it has written to the transport
before must leave before, so writes are not corked any more (contract W9). Calls that give away no descriptor change
nothing: many programs set an option of each connection.
"""

from __future__ import annotations

import socket
from asyncio import trsock
from typing import Any

from .stream_socket import StreamSocket


class TransportSocket(trsock.TransportSocket):
    """asyncio's wrapper of a socket; ``fileno()``, ``dup()``, ``shutdown()`` and ``_sock`` end corking."""

    __slots__ = ("_plain", "_raw")

    def __init__(self, sock: socket.socket, raw: StreamSocket) -> None:
        self._plain = trsock.TransportSocket(sock)
        self._raw = raw

    @property
    def _sock(self) -> socket.socket:
        """The socket; the methods that asyncio's class defines and this one does not use it."""
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
