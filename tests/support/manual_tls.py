"""TLS over memory BIOs: the test decides which records are sent together, partly, or not at all.

``peer.start_tls`` is simpler if the test does not need this. ManualTLS works over a raw peer, or over another
ManualTLS (TLS in TLS)::

    manual_tls = ManualTLS(peer, tls.client_context, server_hostname="localhost")
    peer.send(b"STARTTLS\\n" + manual_tls.first_flight())    # the ClientHello in the same segment
    manual_tls.do_handshake()                                 # blocks: for scripts and in_thread
    peer.send(manual_tls.encrypt(b"secret") + manual_tls.close_notify())
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import TypeVar

from support.raw_peer import RawPeer

ONE_READ = 1 << 16

_Result = TypeVar("_Result")


class ManualTLS:
    """One side of a TLS connection whose records go over ``lower``; a client unless ``server_side``."""

    def __init__(
        self,
        lower: RawPeer | ManualTLS,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self._lower = lower

    def first_flight(self) -> bytes:
        """Return the first records of the handshake: a client's ClientHello."""
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def do_handshake(self) -> None:
        """Start or continue the handshake. If it fails, the alert is sent before the error is raised."""
        self._until_done(self.ssl_object.do_handshake)

    def last_flight(self) -> bytes:
        """Do the handshake, but return the last records instead of sending them: a client's with TLS 1.3."""
        while True:
            try:
                self.ssl_object.do_handshake()
                return self._outgoing.read()
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(self._from_below())

    def encrypt(self, *pieces: bytes) -> bytes:
        """Return the records of the pieces, one or more for each."""
        for piece in pieces:
            self.ssl_object.write(piece)
        return self._outgoing.read()

    def decrypt(self, records: bytes) -> bytes:
        """Return the data of received records, up to a close_notify. Nothing is sent."""
        self._incoming.write(records)
        data = bytearray()
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self.ssl_object.read(ONE_READ):
                data += part
        return bytes(data)

    def close_notify(self) -> bytes:
        """Return the close_notify record without waiting for the peer's."""
        try:
            self.ssl_object.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def send(self, *pieces: bytes) -> None:
        self._lower.send(self.encrypt(*pieces))

    def receive_some(self) -> bytes:
        """Return the next data; b"" after close_notify, ssl.SSLEOFError at an EOF without it."""
        try:
            return self._until_done(lambda: self.ssl_object.read(ONE_READ))
        except ssl.SSLZeroReturnError:
            return b""

    def receive(self, count: int) -> bytes:
        """Return exactly ``count`` bytes."""
        parts = bytearray()
        while len(parts) < count:
            missing = count - len(parts)
            parts += self._until_done(lambda missing=missing: self.ssl_object.read(missing))  # type: ignore[misc]
        return bytes(parts)

    def receive_rest(self) -> bytes:
        """Return everything up to the other side's close_notify; ssl.SSLEOFError if there is none."""
        parts = bytearray()
        while part := self.receive_some():
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
        return self._lower.receive_some() if isinstance(self._lower, ManualTLS) else self._lower.sock.recv(ONE_READ)
