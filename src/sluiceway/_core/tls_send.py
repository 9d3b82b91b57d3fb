"""The sending half of TLS: plaintext in, records out, as many as the transport below takes; and the farewell."""

from __future__ import annotations

import ssl
from collections import deque
from typing import Any

from .._constants import TLS_PLAINTEXT
from .interface import Sink

# Again, under a name that the compiled twin keeps as a number.
_PLAINTEXT = TLS_PLAINTEXT
# Plaintext that is encrypted before it shows whether the transport below takes more. What is made at a time stays in
# the processor's cache.
_AHEAD = 16 * _PLAINTEXT


def inner_of(sslobject: Any) -> Any:
    """The object behind an SSLObject, whose methods do no more than call it."""
    return sslobject._sslobj if type(sslobject) is ssl.SSLObject else sslobject  # type: ignore[attr-defined]


class SealingCore(Sink):
    """``carrier`` is a transport, or the sink of one of ours; ``owner`` is told what has to be decided."""

    def __init__(self, sslobject: Any, outgoing: ssl.MemoryBIO, owner: Any) -> None:
        self.sslobject = sslobject
        self.owner = owner
        self.carrier: Any = None
        self._sink: Any = None
        self._write_record = inner_of(sslobject).write
        self._get = outgoing.read
        self._outgoing = outgoing
        self.closing = False
        # The handshake is done.
        self.open = False
        # Our close_notify is due.
        self._leaving = False
        # OpenSSL may have something of its own to send.
        self._spoke = False
        # Plaintext that has to wait, for room below or, in a renegotiation of TLS 1.2, for the peer; and its bytes.
        self._held_up: deque[Any] | None = None
        self._waiting = 0
        # Some of it is being encrypted. The collector may run in the middle of that, and close the connection.
        self._busy = False
        # The transport below takes no more for now; who it tells so says it here.
        self.clogged = False

    def set_carrier(self, carrier: Any) -> None:
        """Send to ``carrier`` from now on."""
        self.carrier = carrier
        self._sink = carrier if isinstance(carrier, Sink) else None

    def write(self, data: Any) -> object:
        """Encrypt ``data``, bytes, and send it."""
        if self.closing or not data:
            return None
        if self._waiting or len(data) > _PLAINTEXT or not self._encrypt(data):
            if self._held_up is None:
                self._held_up = deque()
            self._held_up.append(data)
            self._waiting += len(data)
            if self._waiting == len(data):
                self.go_on(False)
            if self._waiting:
                self.owner.pace()
        return None

    def _encrypt(self, data: bytes) -> bool:
        """Send ``data`` as one record; False if OpenSSL has to hear from the peer first."""
        try:
            self._write_record(data)
            sealed = self._get()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._refused(error)
            return True
        except BaseException:
            self._interrupted()
            raise
        self._send(sealed)
        return True

    def _refused(self, error: ssl.SSLError) -> None:
        self._forget()
        self._answer()
        if self.owner is not None:
            self.owner.failed(error)

    def _interrupted(self) -> None:
        """OpenSSL may have taken what was written, or not: nothing may go behind it, and it may not go twice."""
        self._forget()
        if self.owner is not None:
            self.owner.failed(ConnectionAbortedError("interrupted while a TLS record was written"))

    def _forget(self) -> None:
        self._held_up = None
        self._waiting = 0

    def go_on(self, everything: bool) -> None:
        """Encrypt and send what had to wait, as far as the transport below takes it, or all of it."""
        if self._busy:
            return
        while self._waiting and self.open and (everything or not self.clogged):
            if self._sink.closing if self._sink is not None else self.carrier.is_closing():
                # It would drop everything, each time with a word about it. Its end is to be told soon.
                return
            pieces: list[bytes] = []
            self._busy = True
            try:
                self._encrypt_next(pieces)
            except ssl.SSLError as error:
                self._refused(error)
                return
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._busy = False
            if not pieces:
                # OpenSSL has to hear from the peer first.
                self._answer()
                break
            # Whatever is called by this, the queue is as it should be, and these pieces are in their place.
            if self._sink is not None:
                self._sink.write_pieces(pieces)
            else:
                self.carrier.write(b"".join(pieces))
        if self._leaving:
            self.say_goodbye()

    def _encrypt_next(self, pieces: list[bytes]) -> None:
        """Take from the queue what is put into ``pieces``, records of _AHEAD bytes at most."""
        held_up = self._held_up
        assert held_up is not None
        data = held_up[0]
        view = memoryview(data)
        end = min(len(data), _AHEAD)
        position = 0
        try:
            while position < end:
                position += self._write_record(view[position : position + _PLAINTEXT])
                pieces.append(self._get())
        except ssl.SSLWantReadError:
            pass
        self._waiting -= position
        if position < len(data):
            held_up[0] = view[position:]
        elif self._waiting:
            held_up.popleft()
        else:
            self._held_up = None

    def write_pieces(self, pieces: list[bytes]) -> object:
        return self.write(b"".join(pieces))

    def held_up(self) -> int:
        """Bytes that are not encrypted yet."""
        return self._waiting

    def _send(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink.write(data)
        else:
            self.carrier.write(data)

    def _answer(self) -> None:
        """Send what OpenSSL has to say for itself."""
        self._spoke = False
        if self._outgoing.pending:
            self._send(self._get())

    def _flush(self) -> None:
        """Send that, and what had to wait for the peer, of whom something has arrived."""
        self._answer()
        if self._waiting:
            self.go_on(False)
            if not self._waiting and self.owner is not None:
                self.owner.pace()
        elif self._leaving:
            self.say_goodbye()

    def before_drain(self) -> object:
        sink = self._sink
        if sink is not None:
            sink.before_drain()
            if sink.closing:
                self.closing = True
        elif self.carrier is None or self.carrier.is_closing():
            self.closing = True
        return None

    def uncork(self) -> object:
        return None if self._sink is None else self._sink.uncork()

    # -- the end ------------------------------------------------------------------------------------------------------

    def say_goodbye(self) -> bool:
        """Send close_notify (RFC 8446, 6.1) behind everything that was written, and tell the owner; True if that is
        done. A renegotiation comes first; then it is done as soon as that has ended."""
        self.closing = True
        # By the collector, in the middle of a record: go_on does it then.
        self._leaving = self._busy
        if self._leaving:
            return False
        # What waits for room need not wait here any longer: the transport below holds it as well.
        self.go_on(True)
        if self.owner is None:
            return False
        try:
            if not self._waiting:
                self.sslobject.unwrap()
        except ssl.SSLWantReadError:
            # The peer's has not come yet.
            pass
        except ssl.SSLError:
            self._leaving = True
        if self._waiting:
            self._leaving = True
        self._answer()
        if self._leaving:
            return False
        self.owner.goodbye_said()
        return True

    def let_go(self) -> None:
        """The connection is gone: refer to nobody who refers to this."""
        self.closing = True
        self.owner = None
        self.carrier = None
        self._sink = None
        self._forget()
        self._leaving = False
