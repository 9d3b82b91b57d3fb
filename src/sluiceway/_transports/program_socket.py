"""Sockets of a class that overrides a method which moves bytes, such as ``send()``.

It is the class of a socket that the program has passed, or a class that has replaced ``socket.socket``, as mocket does
in tests. asyncio's transports call these methods of the socket object. The engine makes the system calls itself, so it
does not carry such a connection on a loop of asyncio. uvloop's transports never call the methods.
"""

from __future__ import annotations

import _socket
import contextlib
import functools
import socket
from typing import Any

_TRANSFER = ("recv", "recv_into", "send", "sendmsg", "shutdown")


def _overrides(kind: type, name: str) -> bool:
    original = getattr(_socket.socket, name, None)
    return getattr(kind, name, original) is not original


def _class_overrides(kind: type) -> bool:
    return any(_overrides(kind, name) for name in _TRANSFER)


# None if gevent or another program has replaced it before this import.
_SOCKET = None if _class_overrides(socket.socket) else socket.socket


def overrides_transfer(sock: Any) -> bool:
    """Return True if the class of ``sock`` has its own version of a method that moves bytes."""
    kind = type(sock)
    return kind is not _SOCKET and _class_overrides(kind)


def prepare_receiving(sock: Any) -> None:
    """Let the method with which asyncio's transports receive for this package call the method of the program.

    asyncio's streams receive by ``recv()``, and those of this package by ``recv_into()``. If the class of ``sock`` has
    its own version of one of them, the object gets a class that is derived from its own, unless the layout of its class
    prevents that. Its ``recv_into()`` calls ``recv()`` if that is the program's, and else the program's
    ``recv_into()`` with a memoryview.
    """
    kind: Any = type(sock)
    if kind is _SOCKET or not (_overrides(kind, "recv") or _overrides(kind, "recv_into")):
        return
    if getattr(getattr(kind, "recv_into", None), "__module__", None) != __name__:
        # The class was not derived here before.
        with contextlib.suppress(TypeError):
            _set_class(sock, _receiving_class(kind))


def _set_class(sock: Any, kind: type) -> None:
    # __setattr__() of a class that wraps a socket may forward to the wrapped object.
    object.__setattr__(sock, "__class__", kind)


@functools.lru_cache(maxsize=16)
def _receiving_class(kind: Any) -> type:
    def recv_into(sock: Any, buffer: Any, size: int = 0, flags: int = 0) -> int:
        count: int = kind.recv_into(sock, memoryview(buffer), *([size, flags] if size or flags else []))
        return count

    def recv_into_by_recv(sock: Any, buffer: Any, size: int = 0, flags: int = 0) -> int:
        with memoryview(buffer) as view, view.cast("B") as memory:
            try:
                # For the time of the call, because the program's recv() may call recv_into() of the object.
                _set_class(sock, kind)
                data: bytes = sock.recv(size or len(memory), *([flags] if flags else []))
            finally:
                _set_class(sock, derived)
            memory[: len(data)] = data
            return len(data)

    derived: type = type(
        kind.__name__,
        (kind,),
        {
            "__slots__": (),
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "recv_into": recv_into_by_recv if _overrides(kind, "recv") else recv_into,
        },
    )
    return derived
