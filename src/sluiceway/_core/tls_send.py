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
# The values of TLSSender.busy.
_IDLE, _ENCRYPTING, _SENDING = 0, 1, 2


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
    - ``discarding``: True after this side has begun to close, or the connection has failed: what arrives is discarded.
      A failed send of the lower transport sets only ``closing``, because what had arrived before is still delivered.
    - ``lower_paused``: True while the lower transport has paused writing. pause() sets this attribute, and the TLS
      transport resets it.
    - ``alert_size``: the length in bytes of the close_notify alert after it has been sent; 0 before. The record that
      contains the alert of a TLS connection over this one is counted as well.
    - ``busy``: not 0 from the start of an encryption until the lower transport has the records. Meanwhile a finalizer
      or a signal handler may write or close. What it writes is sent afterwards, so that the records keep their order.
    """

    def __init__(self, sslobject: Any, outgoing: ssl.MemoryBIO, owner: Any) -> None:
        self.sslobject = sslobject
        self.owner = owner
        self.lower: Any = None
        self._raw: Any = None
        self._write_record = inner_object(sslobject).write
        self._read_outgoing = outgoing.read
        self._outgoing = outgoing
        self.closing = self.discarding = False
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
        self.busy = _IDLE
        # A call that was made while ``busy`` has left something to send.
        self._deferred = False
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
            self._append(data)
            # Even if more is pending: a signal handler may have raised before the flush of an earlier write.
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
        if held is not None and len(held) <= _PLAINTEXT and not self.lower_paused and not self.busy:
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

        Return False, and send nothing, if OpenSSL needs data from the peer first, or if this is called while ``busy``:
        the caller must then queue ``data``. After another error of OpenSSL, drop all pending plaintext, report the
        error to the owner, and return True.
        """
        if self.busy:
            self._deferred = True
            return False
        self.busy = _ENCRYPTING
        try:
            written = self._write_record(data)
            if written < len(data):
                # write() of an SSLObject of the program may take less.
                self._prepend(data[written:])
                self._deferred = True
            record = self._read_outgoing()
            self._record_size = len(record)
            self._send(record)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._encryption_failed(error)
        except BaseException as error:
            self._interrupted(error)
            raise
        finally:
            self.busy = _IDLE
        if self._deferred:
            self._send_deferred()
        return True

    def _encryption_failed(self, error: ssl.SSLError) -> None:
        self._queue = self._held = None
        self._deferred = False
        self.busy = _IDLE
        self.send_output()
        # After this side's alert, the data is that of a write in which a finalizer has closed the connection.
        if self.owner is not None and not self.alert_size:
            self.owner.failed(error)

    def _interrupted(self, error: BaseException) -> None:
        """Abort the connection after ``error``, unless the lower transport has all records.

        Otherwise it is unknown whether OpenSSL has consumed the data, and which records are sent. The peer would refuse
        each later record.
        """
        if not self.busy:
            return
        self._queue = self._held = None
        if self.owner is not None:
            self.owner.failed(written_data_lost(error))

    def _send_deferred(self) -> None:
        """Send what calls have left that were made while ``busy``."""
        self.flush(False)
        if self.owner is not None:
            self.owner.update_flow_control()

    def flush(self, everything: bool) -> None:
        """Encrypt the buffered plaintext, and write it to the lower transport until that pauses writing.

        If ``everything`` is True, ignore that pause. Afterwards, send OpenSSL's own output and the close_notify alert
        if they are pending. Before the handshake is complete, encrypt nothing. While ``busy``, do nothing. If the lower
        transport is closing, or OpenSSL raises an error, stop without the alert.
        """
        if self.busy:
            self._deferred = True
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
            self.busy = _ENCRYPTING
            try:
                self._encrypt_next(records)
                if len(records) == 1:
                    self._send(records[0])
                elif records:
                    self._send_pieces(records)
            except ssl.SSLError as error:
                failed = True
                self._encryption_failed(error)
            except BaseException as error:
                self._interrupted(error)
                raise
            finally:
                self.busy = _IDLE
            if failed:
                return
            if not records:
                # OpenSSL needs data from the peer first.
                self.send_output()
                break
        self._deferred = False
        if self.output_pending:
            self.send_output()
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
        """Write ``data`` to the lower transport.

        The caller has set ``busy``, and resets it after the call. Before the lower transport accepts the data, a signal
        handler or a finalizer may run, which may write.
        """
        self.busy = _SENDING
        raw = self._raw
        if raw is not None:
            raw.write(data)
            return
        lower = self.lower
        if lower is None:
            # The connection has ended in a loop that a finalizer runs nested in the encryption.
            return
        try:
            lower.write(data)
        except RuntimeError:
            # A transport of uvloop that has ended raises this error. Its end is reported soon.
            if not lower.is_closing():
                raise

    def _send_pieces(self, records: list[bytes]) -> None:
        raw = self._raw
        if raw is None:
            self._send(b"".join(records))
            return
        self.busy = _SENDING
        raw.write_pieces(records)

    def pause(self) -> None:
        """Called when the lower transport pauses writing, usually within a write to it."""
        self.lower_paused = True
        if self.busy == _SENDING:
            # The lower transport has the records. The caller may run the loop nested, which must be able to send.
            self.busy = _IDLE

    def send_output(self) -> None:
        """Send what OpenSSL itself has to send: handshake messages, alerts and responses to messages of the peer.

        Report to the owner if too many responses wait for a peer that does not read.
        """
        if self.busy:
            self.output_pending = self._deferred = True
            return
        self.output_pending = False
        if self.lower is None or not self._outgoing.pending:
            return
        self.busy = _SENDING
        try:
            output = self._read_outgoing()
            self._send(output)
        except BaseException as error:
            self._interrupted(error)
            raise
        finally:
            self.busy = _IDLE
        if self._deferred:
            self._send_deferred()
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
        after the renegotiation that is in progress, or, if this method was called while ``busy``, after the records.
        """
        self.closing = self.discarding = True
        # A finalizer may call this method while busy; flush() then sends the alert.
        self._shutdown_pending = self._deferred = self.busy != _IDLE
        if self.busy:
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
        if self.owner is None:
            return False
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
        """Called after a TLS connection above this one has written its close_notify alert to this object.

        If the alert is corked, encrypt and send it. Then add the length of its record to ``alert_size``. If plaintext
        is still pending, the alert has no record yet, and nothing is added. If the lower transport is TLS as well, call
        its end_alert().
        """
        self.uncork()
        if not self.pending_size():
            self.alert_size += self._record_size
        below = self._raw
        if isinstance(below, TLSSender):
            below.end_alert()

    def detach(self) -> None:
        """Drop the references to objects that refer to this object, because the connection has ended."""
        self.closing = self.discarding = True
        self.owner = None
        self.lower = None
        self._raw = None
        self._queue = self._held = None
        self._shutdown_pending = False
