"""One end of TLS over memory, so that a test decides which records leave together, in part, or never.

``wire.start_tls`` is simpler where nothing of this matters. Over a wire, or over another such end (TLS inside TLS)::

    end = TLSEnd(wire, tls.client_context, server_hostname="localhost")
    wire.send(b"STARTTLS\\n" + end.first_flight())    # the ClientHello in the same segment
    end.shake_hands()                                 # blocks: for scripts and in_thread
    wire.send(end.sealed(b"secret") + end.farewell())
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeVar

from support.peer import Wire

ONE_READ = 1 << 16

_Result = TypeVar("_Result")


class TLSEnd:
    """TLS over ``lower``, which carries its records; a client unless ``server_side``."""

    def __init__(
        self,
        lower: Wire | TLSEnd,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self._lower = lower

    def first_flight(self) -> bytes:
        """Return what the handshake wants to say first: a client's ClientHello."""
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def shake_hands(self) -> None:
        """Shake hands, or go on with it; an alert that refuses the other side is sent before its error is raised."""
        self._until_done(self.object.do_handshake)

    def sealed(self, *pieces: bytes) -> bytes:
        """Return the records of these pieces, one or more for each."""
        for piece in pieces:
            self.object.write(piece)
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """Return the record of close_notify; the other side's is not waited for."""
        try:
            self.object.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def send(self, *pieces: bytes) -> None:
        self._lower.send(self.sealed(*pieces))

    def some(self) -> bytes:
        """Return what comes next; b"" after close_notify, ssl.SSLEOFError at an end without it."""
        try:
            return self._until_done(lambda: self.object.read(ONE_READ))
        except ssl.SSLZeroReturnError:
            return b""

    def receive(self, count: int) -> bytes:
        """Return exactly ``count`` bytes."""
        parts = bytearray()
        while len(parts) < count:
            missing = count - len(parts)
            parts += self._until_done(lambda missing=missing: self.object.read(missing))  # type: ignore[misc]
        return bytes(parts)

    def receive_rest(self) -> bytes:
        """Return everything up to the other side's close_notify; ssl.SSLEOFError if there is none."""
        parts = bytearray()
        while part := self.some():
            parts += part
        return bytes(parts)

    def _until_done(self, call: Callable[[], _Result]) -> _Result:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self._flush()
                if arrived := self._from_below():
                    self._incoming.write(arrived)
                else:
                    self._incoming.write_eof()
            finally:
                self._flush()

    def _flush(self) -> None:
        if pending := self._outgoing.read():
            self._lower.send(pending)

    def _from_below(self) -> bytes:
        return self._lower.some() if isinstance(self._lower, TLSEnd) else self._lower.sock.recv(ONE_READ)
