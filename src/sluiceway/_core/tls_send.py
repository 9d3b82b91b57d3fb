"""TLSSender: the sending side of TLS, which encrypts plaintext, and sends the close_notify alert.

The TLSSender uses neither sockets nor event loops. It writes records to the lower transport, and reports events to
``owner``, the TLS transport. While the lower transport has paused writing, data of more than 16 KiB waits as plaintext,
with all data after it, until a close encrypts everything.
"""

from __future__ import annotations

import ssl
from typing import Any

from .._constants import TLS_PLAINTEXT
from .end_of_input import written_data_lost
from .raw_transport import Corkable, RawTransportProvider
from .write_queue import WriteQueue

# C integers in the compiled build.
_PLAINTEXT = TLS_PLAINTEXT
# Bytes that are encrypted between two checks of the lower transport's flow control. Their records fit in the CPU cache.
_AHEAD = 16 * _PLAINTEXT
# Bytes of OpenSSL's own responses that may be buffered while the lower transport is paused.
_ANSWERS_MAXIMUM = 4 * _PLAINTEXT


def inner_object(sslobject: Any) -> Any:
    """Return the C object of an SSLObject, whose methods save a Python call per record; another object unchanged."""
    return sslobject._sslobj if type(sslobject) is ssl.SSLObject else sslobject  # type: ignore[attr-defined]


class TLSSender(Corkable):
    """Encrypts the data of one connection.

    Where the lower transport would delay writes until the end of the round, the plaintext is delayed instead. So what
    is written in a round becomes one record, up to 16 KiB.

    - ``lower``: the transport that carries the records; None before set_lower() and after detach().
    - ``owner``: the TLS transport, which refers to this object as ``raw``, and to which events are reported; None after
      detach().
    - ``handshake_complete``: True after the handshake, when data can be sent.
    - ``closing``: True if write() discards its data.
    - ``lower_paused``: True while the lower transport has paused writing. The TLS transport sets this attribute.
    - ``alert_size``: the length in bytes of the close_notify alert after it has been sent; 0 before. The record that
      contains the alert of a TLS connection over this one is counted as well.
    - ``encrypting``: True during an encryption, in which a finalizer or a signal handler may write or close. What it
      writes is sent afterwards.
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
        # The close_notify alert must be sent after the pending data.
        self._shutdown_pending = False
        # OpenSSL may have output, such as an alert or a response to a key update.
        self.output_pending = False
        # Bytes of such output since the lower transport paused. A peer may cause it without reading it.
        self._answers_size = 0
        # Plaintext that waits for the lower transport, or during a TLS 1.2 renegotiation for the peer.
        self._queue: WriteQueue | None = None
        # True while a Stepper will call flush_corked(). Until then one write is in _held, and several are in _queue.
        self._corked = False
        self._held: bytes | None = None
        self.encrypting = False
        self.lower_paused = False
        self.alert_size = 0
        # The length of the record that _encrypt() has sent last.
        self._record_size = 0

    def set_lower(self, lower: Any) -> None:
        """Write later records to ``lower``."""
        self.lower = lower
        self._raw = lower.raw if isinstance(lower, RawTransportProvider) else None  # type: ignore[attr-defined]

    def write(self, data: Any) -> object:
        """Encrypt and send the bytes object ``data``. What cannot be sent now is buffered and sent later."""
        if self.closing or not data:
            return None
        raw = self._raw
        if raw is not None and (self._corked or not self.pending_size()) and self.handshake_complete:
            stepper = raw.corking(self.pending_size() + len(data))
            if stepper is not None:
                self._cork(stepper, data)
                return None
        if self.pending_size() or len(data) > _PLAINTEXT or not self._encrypt(data):
            corked = self._corked
            self._append(data)
            if corked or self.pending_size() == len(data):
                self.flush(False)
            if self.pending_size():
                self.owner.update_flow_control()
        return None

    def _cork(self, stepper: Any, data: bytes) -> None:
        if not self._corked:
            # First: this call may raise MemoryError, and then nothing would send the data of later writes.
            stepper.cork(self)
            self._corked = True
            if not self.pending_size():
                self._held = data
                return
            # The call above has run a finalizer that writes.
        self._append(data)
        if stepper.corked_long():
            stepper.flush()

    def _append(self, data: bytes | None) -> None:
        """Move the write in ``_held``, if any, to the queue, and append ``data`` unless it is None."""
        queue = self._queue or self._create_queue()
        held = self._held
        if held is not None:
            self._held = None
            queue.append(held)
        if data is not None:
            queue.append(data)

    def _prepend(self, data: bytes) -> None:
        """Put ``data``, which was not encrypted, before the queued writes, which were made during the encryption."""
        queue = self._queue or self._create_queue()
        queue.prepend(data)

    def _create_queue(self) -> WriteQueue:
        queue = WriteQueue()
        if self._queue is None:
            self._queue = queue
        # Else the creation of the object has run a finalizer that writes.
        return self._queue

    def flush_corked(self) -> object:
        self._corked = False
        held = self._held
        if held is not None and len(held) <= _PLAINTEXT and not self.lower_paused and not self.encrypting:
            # Code that runs in the encryption, such as a finalizer, may write as well.
            self._held = None
            if self._encrypt(held):
                return None
            self._prepend(held)
        self.flush(False)
        if self.pending_size() and self.owner is not None:
            self.owner.update_flow_control()
        return None

    def drop_corked(self) -> None:
        if self._corked:
            self._corked = False
            self._held = self._queue = None

    def corking(self, size: int) -> Any:
        raw = self._raw
        return None if raw is None or self.closing else raw.corking(size)

    def write_pieces(self, pieces: list[bytes]) -> object:
        return self.write(b"".join(pieces))

    def pending_size(self) -> int:
        """Return how many bytes of plaintext are buffered."""
        held = self._held
        return (0 if held is None else len(held)) + (0 if self._queue is None else self._queue.size)

    def _encrypt(self, data: bytes) -> bool:
        """Send ``data``, at most 16 KiB, as one record, and return True.

        Return False, and send nothing, if OpenSSL needs data from the peer first, or if this is called during another
        encryption: the caller must then queue ``data``. After another error of OpenSSL, drop all pending plaintext,
        report the error to the owner, and return True.
        """
        if self.encrypting:
            return False
        self.encrypting = True
        record: bytes | None = None
        try:
            written = self._write_record(data)
            if written < len(data):
                # write() of an SSLObject of the program may take less.
                self._prepend(data[written:])
            record = self._read_outgoing()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._encryption_failed(error)
        except BaseException as error:
            self._interrupted(error)
            raise
        finally:
            self.encrypting = False
        if record is None:
            return True
        self._record_size = len(record)
        self._send(record)
        if self._shutdown_pending or self.pending_size():
            # Called during the encryption, by a finalizer; or data is left.
            self.flush(False)
            if self.pending_size() and self.owner is not None:
                self.owner.update_flow_control()
        return True

    def _encryption_failed(self, error: ssl.SSLError) -> None:
        self._queue = self._held = None
        self.send_output()
        # After this side's alert, the data is that of a write in which a finalizer has closed the connection.
        if self.owner is not None and not self.alert_size:
            self.owner.failed(error)

    def _interrupted(self, error: BaseException) -> None:
        """Abort the connection after ``error``, because it is unknown whether OpenSSL has consumed the data."""
        self._queue = self._held = None
        if self.owner is not None:
            self.owner.failed(written_data_lost(error))

    def flush(self, everything: bool) -> None:
        """Encrypt the buffered plaintext, and write it to the lower transport until that pauses writing.

        If ``everything`` is True, ignore that pause. Afterwards, send the close_notify alert if one is pending. Before
        the handshake is complete, encrypt nothing. During another encryption, do nothing. If the lower transport is
        closing, or OpenSSL raises an error, stop without the alert.
        """
        if self.encrypting:
            return
        if self._held is not None:
            self._append(None)
        while self.pending_size() and self.handshake_complete and (everything or not self.lower_paused):
            raw = self._raw
            if raw.closing if raw is not None else self.lower.is_closing():
                # The lower transport would discard each write with a log record. Its end is reported soon.
                return
            records: list[bytes] = []
            failed = False
            self.encrypting = True
            try:
                self._encrypt_next(records)
            except ssl.SSLError as error:
                failed = True
                self._encryption_failed(error)
            except BaseException as error:
                self._interrupted(error)
                raise
            finally:
                self.encrypting = False
            if failed:
                return
            if not records:
                # OpenSSL needs data from the peer first.
                self.send_output()
                break
            # The queue is consistent here, as the calls below may run code of the program.
            raw = self._raw
            if len(records) == 1:
                self._send(records[0])
            elif raw is not None:
                raw.write_pieces(records)
            else:
                self.lower.write(b"".join(records))
        if self._shutdown_pending:
            self.send_close_notify()

    def _encrypt_next(self, records: list[bytes]) -> None:
        """Encrypt about _AHEAD buffered bytes, and append the records to ``records``.

        Encrypt fewer if OpenSSL needs data from the peer first.
        """
        queue = self._queue
        if queue is None:
            # Since the caller's test, a finalizer has closed the connection or written, and so sent everything.
            return
        left = _AHEAD
        try:
            while left > 0 and queue.size:
                encrypted = self._write_record(queue.front(_PLAINTEXT))
                queue.advance(encrypted)
                left -= encrypted
                records.append(self._read_outgoing())
        except ssl.SSLWantReadError:
            pass
        if not queue.size:
            self._queue = None

    def _send(self, data: bytes) -> None:
        raw = self._raw
        if raw is not None:
            raw.write(data)
            return
        try:
            self.lower.write(data)
        except RuntimeError:
            # A transport of uvloop that has ended raises this error. Its end is reported soon.
            if not self.lower.is_closing():
                raise

    def send_output(self) -> None:
        """Send what OpenSSL itself has to send: handshake messages, alerts and responses to messages of the peer.

        Report to the owner if too many responses wait for a peer that does not read.
        """
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
        """Return True if bytes may be ready to be sent, after data from the peer has been processed."""
        return self.output_pending or self._shutdown_pending or self.pending_size() > 0

    def flush_after_arrival(self) -> None:
        """Send OpenSSL's own output, and the plaintext or close_notify alert that waited for a message of the peer."""
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
            if self._corked:
                stepper = raw.corking(self.pending_size())
                if stepper is None:
                    self.flush_corked()
                elif stepper.corked_long():
                    stepper.flush()
            raw.before_drain()
            if raw.closing:
                self.closing = True
        elif self.lower is None or self.lower.is_closing():
            self.closing = True
        return None

    def uncork(self) -> object:
        if self._corked:
            self.flush_corked()
        raw = self._raw
        return None if raw is None else raw.uncork()

    # -- closing ------------------------------------------------------------------------------------------------------

    def send_close_notify(self) -> bool:
        """Send the close_notify alert (RFC 8446, section 6.1) after the buffered data. Then call close_notify_sent() of
        the owner.

        Return True if the alert was sent. False means that the connection has ended, or that the alert is sent later:
        after the renegotiation that is in progress, or, if this method was called during an encryption, after that
        encryption.
        """
        self.closing = True
        # A garbage collection may call this method during encryption; flush() then sends the alert.
        self._shutdown_pending = self.encrypting
        if self.encrypting:
            return False
        # Flow control has no effect any more: the lower transport buffers all pending data.
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
        if self._shutdown_pending:
            self.send_output()
            return False
        self.alert_size += self._outgoing.pending
        below = self._raw
        if isinstance(below, TLSSender):
            below.begin_alert()
            self.send_output()
            below.end_alert()
        else:
            self.send_output()
        self.owner.close_notify_sent()
        return True

    def begin_alert(self) -> None:
        """Called before the TLS connection over this one writes its close_notify alert.

        Send corked data, so that the alert gets a record of its own.
        """
        self.uncork()
        self._record_size = 0
        below = self._raw
        if isinstance(below, TLSSender):
            below.begin_alert()

    def end_alert(self) -> None:
        """Called after the TLS connection over this one has written its close_notify alert, which may be corked.

        Encrypt the alert as a record of its own, and add the length of this record to ``alert_size``. But if this
        object still has pending plaintext after that, the alert waits behind it, and is not counted.
        """
        self.uncork()
        if not self.pending_size():
            self.alert_size += self._record_size
        below = self._raw
        if isinstance(below, TLSSender):
            below.end_alert()

    def detach(self) -> None:
        """Drop the references to objects that refer to this object, because the connection has ended."""
        self.closing = True
        self.owner = None
        self.lower = None
        self._raw = None
        self._queue = self._held = None
        self._shutdown_pending = False
