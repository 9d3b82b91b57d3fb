"""The sending side of TLS: plaintext in, records out, as many as the lower transport takes; and the close_notify alert.

It touches neither sockets nor loops: what is to be sent goes to the lower transport, and decisions go to ``owner``, the
TLS transport.
"""

from __future__ import annotations

import ssl
from typing import Any

from .._constants import TLS_PLAINTEXT
from .raw_transport import RawTransport, RawTransportProvider
from .write_queue import WriteQueue

# The compiled variant keeps these as numbers.
_PLAINTEXT = TLS_PLAINTEXT
# Plaintext that is encrypted before a look at whether the lower transport takes more. What is made at a time stays in
# the processor's cache.
_AHEAD = 16 * _PLAINTEXT
# Bytes of OpenSSL's own answers that may wait while the lower transport takes no more.
_ANSWERS_MAXIMUM = 4 * _PLAINTEXT


def inner_object(sslobject: Any) -> Any:
    """The object behind an SSLObject, whose methods do no more than call it."""
    return sslobject._sslobj if type(sslobject) is ssl.SSLObject else sslobject  # type: ignore[attr-defined]


class TLSSender(RawTransport):
    """``lower``: the transport that carries the records. ``owner``: decides what follows from an event.

    ``handshake_complete``: data may be sent. ``closing``: nothing more is accepted. ``lower_paused``: the lower
    transport takes no more for now; the protocol that it tells so sets it.
    """

    def __init__(self, sslobject: Any, outgoing: ssl.MemoryBIO, owner: Any) -> None:
        self.sslobject = sslobject
        self.owner = owner
        self.lower: Any = None
        self._raw: Any = None
        self._write_record = inner_object(sslobject).write
        self._read_outgoing = outgoing.read
        self._outgoing = outgoing
        self.closing = False
        self.handshake_complete = False
        # close_notify is to be sent once everything before it has been.
        self._shutdown_pending = False
        # OpenSSL may have output of its own.
        self.output_pending = False
        # Bytes of its answers since the lower transport paused: a peer may ask for them and never read them.
        self._answers_size = 0
        # Plaintext that waits: for room below or, in a renegotiation of TLS 1.2, for the peer.
        self._queue: WriteQueue | None = None
        # Some of it is being encrypted. The collector may run meanwhile, and close the connection.
        self._encrypting = False
        self.lower_paused = False

    def set_lower(self, lower: Any) -> None:
        """Send to ``lower`` from now on."""
        self.lower = lower
        self._raw = lower.raw if isinstance(lower, RawTransportProvider) else None  # type: ignore[attr-defined]

    def write(self, data: Any) -> object:
        """Encrypt ``data``, bytes, and send it."""
        if self.closing or not data:
            return None
        if self.pending_size() or len(data) > _PLAINTEXT or not self._encrypt(data):
            if self._queue is None:
                self._queue = WriteQueue()
            self._queue.append(data)
            if self._queue.size == len(data):
                self.flush(False)
            if self.pending_size():
                self.owner.update_flow_control()
        return None

    def write_pieces(self, pieces: list[bytes]) -> object:
        return self.write(b"".join(pieces))

    def pending_size(self) -> int:
        """Bytes that are not encrypted yet."""
        return 0 if self._queue is None else self._queue.size

    def _encrypt(self, data: bytes) -> bool:
        """Send ``data`` as one record; False if OpenSSL needs data from the peer first."""
        try:
            self._write_record(data)
            record = self._read_outgoing()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._encryption_failed(error)
            return True
        except BaseException:
            self._interrupted()
            raise
        self._send(record)
        return True

    def _encryption_failed(self, error: ssl.SSLError) -> None:
        self._queue = None
        self.send_output()
        if self.owner is not None:
            self.owner.failed(error)

    def _interrupted(self) -> None:
        """OpenSSL may have taken what was written, or not: nothing may follow it, and it may not be sent twice."""
        self._queue = None
        if self.owner is not None:
            self.owner.failed(ConnectionAbortedError("interrupted while a TLS record was written"))

    def flush(self, everything: bool) -> None:
        """Encrypt and send what waits, as far as the lower transport takes it, or all of it."""
        if self._encrypting:
            return
        while self.pending_size() and self.handshake_complete and (everything or not self.lower_paused):
            raw = self._raw
            if raw.closing if raw is not None else self.lower.is_closing():
                # It would discard everything, each time with a log line. Its end is reported soon.
                return
            records: list[bytes] = []
            self._encrypting = True
            try:
                self._encrypt_next(records)
            except ssl.SSLError as error:
                self._encryption_failed(error)
                return
            except BaseException:
                self._interrupted()
                raise
            finally:
                self._encrypting = False
            if not records:
                # OpenSSL needs data from the peer first.
                self.send_output()
                break
            # The queue is complete here: the call below may run any code.
            raw = self._raw
            if raw is not None:
                raw.write_pieces(records)
            else:
                self.lower.write(b"".join(records))
        if self._shutdown_pending:
            self.send_close_notify()

    def _encrypt_next(self, records: list[bytes]) -> None:
        """Encrypt the first piece that waits into ``records``, at most _AHEAD bytes of it."""
        queue = self._queue
        assert queue is not None
        view = queue.first()
        end = min(len(view), _AHEAD)
        position = 0
        try:
            while position < end:
                position += self._write_record(view[position : position + _PLAINTEXT])
                records.append(self._read_outgoing())
        except ssl.SSLWantReadError:
            pass
        queue.advance(position)
        if not queue.size:
            self._queue = None

    def _send(self, data: bytes) -> None:
        raw = self._raw
        if raw is not None:
            raw.write(data)
        else:
            self.lower.write(data)

    def send_output(self) -> None:
        """Send what OpenSSL has written of its own: handshake messages, alerts."""
        self.output_pending = False
        if not self._outgoing.pending:
            return
        output = self._read_outgoing()
        self._send(output)
        if not self.lower_paused:
            self._answers_size = 0
        elif self.handshake_complete:
            self._answers_size += len(output)
            if self._answers_size > _ANSWERS_MAXIMUM and self.owner is not None:
                self.owner.answers_blocked()

    def needs_flush(self) -> bool:
        """Whether an arrival from the peer may let something be sent."""
        return self.output_pending or self._shutdown_pending or self.pending_size() > 0

    def flush_after_arrival(self) -> None:
        """Send OpenSSL's output, and what waited for the peer, of whom something has arrived."""
        self.send_output()
        if self.pending_size():
            self.flush(False)
            if not self.pending_size() and self.owner is not None:
                self.owner.update_flow_control()
        elif self._shutdown_pending:
            self.send_close_notify()

    def before_drain(self) -> object:
        raw = self._raw
        if raw is not None:
            raw.before_drain()
            if raw.closing:
                self.closing = True
        elif self.lower is None or self.lower.is_closing():
            self.closing = True
        return None

    def uncork(self) -> object:
        raw = self._raw
        return None if raw is None else raw.uncork()

    # -- closing ------------------------------------------------------------------------------------------------------

    def send_close_notify(self) -> bool:
        """Send close_notify (RFC 8446, 6.1) after everything that was written, and tell the owner; True if it was sent.

        A renegotiation comes first; then close_notify is sent as soon as that has ended.
        """
        self.closing = True
        # Called by the collector while a record is encrypted: flush() sends it then.
        self._shutdown_pending = self._encrypting
        if self._encrypting:
            return False
        # What waits for room need not wait here any longer: the lower transport buffers it as well.
        self.flush(True)
        if self.owner is None:
            return False
        try:
            if not self.pending_size():
                self.sslobject.unwrap()
        except ssl.SSLWantReadError:
            # The peer's close_notify has not arrived yet.
            pass
        except ssl.SSLError:
            self._shutdown_pending = True
        if self.pending_size():
            self._shutdown_pending = True
        self.send_output()
        if self._shutdown_pending:
            return False
        self.owner.close_notify_sent()
        return True

    def detach(self) -> None:
        """The connection is gone: drop every reference to what refers to this."""
        self.closing = True
        self.owner = None
        self.lower = None
        self._raw = None
        self._queue = None
        self._shutdown_pending = False
