"""ProgramSSLObject: an SSLObject of a class of the program, whose results are checked."""

from __future__ import annotations

import operator
import ssl
from typing import Any


class ProgramSSLObject:
    """The methods of ``wrapped`` that TLSSender and TLSReceiver call, with checked results.

    ``wrapped`` comes from ``sslobject_class`` or ``wrap_bio()`` of a context. As in asyncio, its read() may return any
    bytes-like object, of any length, and a number greater than that of the bytes counts as all bytes in write().
    """

    __slots__ = ("_read", "_write", "do_handshake", "unwrap", "wrapped")

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self._read = wrapped.read
        self._write = wrapped.write
        self.do_handshake = wrapped.do_handshake
        self.unwrap = wrapped.unwrap

    def read(self, size: int) -> bytes:
        """Return decrypted bytes. An empty result of the program, such as None, is the end of the input."""
        data = self._read(size)
        if not data:
            return b""
        try:
            return data if type(data) is bytes else bytes(memoryview(data))
        except TypeError:
            raise TypeError(
                f"read() of the SSLObject {self._name()} must return bytes, not {type(data).__name__!r}"
            ) from None

    def write(self, data: Any) -> int:
        """Encrypt ``data``. Return how many of its bytes were taken, at least 1."""
        taken = self._write(data)
        try:
            count = operator.index(taken)
        except TypeError:
            raise TypeError(
                f"write() of the SSLObject {self._name()} must return the number of bytes taken, not "
                f"{type(taken).__name__!r}: {taken!r}"
            ) from None
        if count <= 0:
            # The same data would be tried again without end.
            raise ValueError(
                f"write() of the SSLObject {self._name()} must return a number greater than 0, not {count}"
            )
        return min(count, len(data))

    def _name(self) -> str:
        return repr(type(self.wrapped).__qualname__)


def make_sslobject(
    context: ssl.SSLContext,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    server_side: bool,
    server_hostname: str | None,
    session: ssl.SSLSession | None,
) -> ssl.SSLObject | ProgramSSLObject:
    """Return an SSLObject of ``context``, or a ProgramSSLObject that wraps it. A server ignores ``server_hostname``."""
    made = context.wrap_bio(
        incoming,
        outgoing,
        server_side=server_side,
        server_hostname=None if server_side else server_hostname or None,
        # A context of the program may pass a session by itself.
        **({} if session is None else {"session": session}),
    )
    return made if type(made) is ssl.SSLObject else ProgramSSLObject(made)
