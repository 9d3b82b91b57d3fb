"""TLSReceiver: the receiving side of TLS, with the ``ssl`` module's SSLObject and a memory BIO.

The TLSReceiver uses neither sockets nor event loops. It gets TLS records from the lower transport, passes the plaintext
to the receiver of the upper protocol, and reports events to ``owner``, the TLS transport.

After the handshake, the TLSReceiver passes OpenSSL one long record at a time, or as many short records as fit in _BATCH
bytes, and calls ``SSLObject.read`` once for each complete record. So a read of data never raises SSLWantReadError, and
the BIOs stay small. That matters because a BIO never frees the memory of its largest content. An SSLObject of a class
of the program is read in another way (``reads_any_length``).

During the handshake, the TLSReceiver passes OpenSSL up to _HANDSHAKE_BATCH received bytes for each call of
``do_handshake``, because a peer may split its messages into records of one byte. Bytes after the handshake are read
back from the BIO.
"""

from __future__ import annotations

import ssl
from typing import Any

from .._constants import LINGER_MAXIMUM, SCRATCH_SIZE, TLS_PLAINTEXT
from .end_of_input import received_data_lost
from .protocol_receiver import ProtocolReceivers
from .receive_interface import ReceiveInterface
from .receiver import Receiver
from .tls_send import TLSSender, inner_object

# RFC 8446, sections 5.1 and 5.2, and RFC 5246, section 6.2.3: the header of a record, its largest content, and the
# largest expansion by encryption.
_HEADER = 5
_PLAINTEXT = TLS_PLAINTEXT
_MAXIMUM_RECORD = _HEADER + _PLAINTEXT + 2048
# change_cipher_spec 20, alert 21, handshake 22, application_data 23, heartbeat 24
_FIRST_TYPE, _LAST_TYPE = 20, 24
_MAJOR = 3
# Bytes of records to receive at once if no stream limits them.
_ROOM = 65536
_MAXIMUM_ROOM = SCRATCH_SIZE
# Bytes. Smaller receives are copied, because a memoryview would cost more than the copy.
_COPY_MAXIMUM = 4096
# Bytes of short records that are passed to OpenSSL at once.
_BATCH = 4096
# Bytes that are passed to OpenSSL at once during the handshake. A flight of a usual handshake is shorter.
_HANDSHAKE_BATCH = 16384
# More reads than any arrival needs, after which SSLWantReadError is raised.
_ENDLESS = 1 << 30


class TLSReceiver(ReceiveInterface):
    """Decrypts the records of one connection. The TLS transport and its LowerProtocol refer to this object.

    - ``owner``: the TLS transport; None after detach().
    - ``close_notify_received``: True after the peer's close_notify alert has arrived (RFC 8446, section 6.1).
    - ``discard_left``: how many more bytes of plaintext may arrive after this side has begun to close; they are
      discarded. When the number becomes negative, the owner closes without the peer's alert.
    - ``reads_any_length``: True if a read of the SSLObject may return a part of a record, or more. Such an object is
      read until it needs another record, and not into memory of the stream.
    """

    def __init__(self, sslobject: Any, incoming: ssl.MemoryBIO, sender: TLSSender, owner: Any) -> None:
        self.intercepted = False
        self.sslobject = sslobject
        self.owner = owner
        self._sender = sender
        # The number of bytes that have arrived until the end of the handshake.
        self._handshake_size = 0
        self._read_record = inner_object(sslobject).read
        self._put = incoming.write
        self._take_back = incoming.read
        self.close_notify_received = False
        self.discard_left = LINGER_MAXIMUM
        self.reads_any_length = False
        # The incomplete record: its header while that is incomplete, its length, and the number of missing bytes.
        self._header = b""
        self._length = _PLAINTEXT
        self._missing = 0
        # The records that were last passed to OpenSSL: how many are complete, and the length of the longest.
        self._complete = 0
        self._longest = 0
        # Bytes that wait: those after the record that completed the handshake, and those of nested calls of receive().
        self._trailing_data = b""
        # A record is being decrypted, which may run code of the program.
        self._decrypting = False
        self._upper: ProtocolReceivers | None = None
        self._scratch: Any = None
        self._waiters: Any = None
        # The receiver whose waiting read may complete.
        self._ready: ReceiveInterface | None = None

    def set_protocol(self, protocol: Any) -> None:
        """Pass later plaintext to ``protocol``. If ``protocol`` is None, discard later plaintext."""
        upper = self._upper = None if protocol is None else ProtocolReceivers(protocol)
        if upper is not None:
            upper.attach(self._scratch, self._waiters)

    def detach(self) -> None:
        """Drop the references to objects that refer to this object, because the connection has ended."""
        self.owner = None
        self._upper = None
        self._ready = None
        self._trailing_data = b""

    # -- the receive interface ----------------------------------------------------------------------------------------

    def attach(self, scratch: Any, waiters: Any) -> None:
        self._scratch = scratch
        self._waiters = waiters
        upper = self._upper
        if upper is not None:
            upper.attach(scratch, waiters)

    def get_buffer(self, hint: int) -> Any:
        return self._scratch.part(self.room())

    def committed(self, n: int) -> bool:
        return self.receive(self._scratch.take(n) if n <= _COPY_MAXIMUM else self._scratch.view(n))

    def feed(self, data: bytes) -> bool:
        return self.receive(data)

    def wake(self) -> None:
        ready = self._ready
        self._ready = None
        if ready is not None:
            ready.wake()

    def eof(self) -> bool:
        """Report to the owner that the peer has ended its direction of the lower transport.

        Return True if the owner closes the lower transport itself; False after detach().
        """
        self._deliver_trailing_data()
        return self.owner is not None and bool(self.owner.lower_eof())

    def lost(self, error: BaseException | None) -> None:
        """Report the end of the lower transport to the owner."""
        self._deliver_trailing_data()
        if self.owner is not None:
            self.owner.lower_lost(error)

    def _deliver_trailing_data(self) -> None:
        """Deliver what arrived before the end, which a loop nested in the handler of an accepted connection reports."""
        if self._trailing_data and not self._decrypting and self.receive(b""):
            self.wake()

    def room(self) -> int:
        """Return how many bytes of records may be received next (contract R3, docs/explanation/contracts.md)."""
        stream = self._stream()
        room = _ROOM if stream is None or self._sender.discarding else min(_MAXIMUM_ROOM, stream.room())
        # Receives whole records if they are long, to avoid storing parts. Assumes that all are as long as the last.
        rest = self._length - len(self._header) if self._header else self._missing
        whole = room - rest
        return rest + whole - whole % self._length if whole > self._length > _PLAINTEXT else room

    def _stream(self) -> Receiver | None:
        upper = self._upper
        stream = None if upper is None else upper.stream()
        return stream if isinstance(stream, Receiver) else None

    def overhead_size(self) -> int:
        """Return how many bytes of the handshake, and of the record that is incomplete, have arrived."""
        if self._header:
            return self._handshake_size + len(self._header)
        return self._handshake_size + (self._length - self._missing if self._missing else 0)

    # -- records ------------------------------------------------------------------------------------------------------

    def begin_handshake(self) -> None:
        """Start the handshake. On a client, this sends the first message."""
        self.receive(b"")

    def receive(self, data: Any) -> bool:
        """Decrypt ``data``, a bytes-like object that must not change during the call.

        Return True if a read waits and may be complete. The caller then calls ``wake()``. In a call during another one,
        return False: the outer call decrypts the bytes. Errors of TLS are reported to the owner. An interrupt ends the
        connection, and is raised.
        """
        if not self._sender.handshake_complete:
            self._handshake_size += len(data)
        if self._decrypting:
            # Code of the program, such as ``__del__``, runs the loop nested. The outer call continues with the data.
            self._trailing_data += bytes(data)
            return False
        if self._trailing_data:
            # The handler of an accepted connection runs the loop nested: these bytes arrived before ``data``.
            data = self._trailing_data + bytes(data)
            self._trailing_data = b""
        ready: ReceiveInterface | None = None
        sender = self._sender
        while True:
            blocks: list[bytes] = []
            was_complete = sender.handshake_complete
            error: BaseException | None = None
            stream = self._stream()
            if stream is not None and (stream.intercepted or self.reads_any_length):
                stream = None
            try:
                if self._decrypt_all(data, None if sender.discarding else stream, blocks):
                    ready = stream
            except (OSError, ValueError) as caught:
                error = caught
            except BaseException as caught:
                if not isinstance(caught, Exception) or sender.handshake_complete:
                    # It may have lost bytes that OpenSSL had consumed, so the stream cannot continue.
                    self.interrupted(caught)
                    raise
                # Code of the program, such as an SSLObject of its own, refuses the peer. No data is lost.
                error = caught
            # The calls below may reuse the memory of ``data``, all of which has been consumed.
            if isinstance(error, (OSError, ValueError)):
                # Sends the alert with the reason.
                sender.send_output()
            elif error is None and sender.needs_flush() and (not blocks or sender.discarding):
                sender.flush_after_arrival()
            if blocks:
                if sender.discarding:
                    self._discard(blocks)
                else:
                    ready = self._deliver(blocks[0] if len(blocks) == 1 else b"".join(blocks))
                    # Only now: sending may call pause_writing(), which may run the loop nested and receive later data.
                    if error is None and sender.needs_flush() and not sender.discarding:
                        sender.flush_after_arrival()
            if error is not None:
                if self.owner is not None:
                    self.owner.failed(error)
                # Breaks a reference cycle: the traceback of the error refers to this frame.
                error = None
            elif sender.handshake_complete and not was_complete:
                try:
                    self.owner.handshake_completed()
                except BaseException as caught:
                    self.interrupted(caught)
                    raise
                data = self._trailing_data
                self._trailing_data = b""
                continue
            elif self.close_notify_received and self.owner is not None:
                self.owner.close_notify_arrived()
            self._ready = ready
            return ready is not None

    def _deliver(self, data: bytes) -> ReceiveInterface | None:
        """Pass plaintext to the upper protocol. Return its receiver if a waiting read may be complete, else None."""
        upper = self._upper
        if upper is None:
            return None
        receiver = upper.current()
        try:
            return receiver if receiver.feed(data) else None
        except (SystemExit, KeyboardInterrupt) as error:
            self.interrupted(error)
            raise
        except BaseException as error:  # noqa: BLE001 - every exception of the program is reported
            if self.owner is not None:
                self.owner.protocol_failed(error)
        return None

    def interrupted(self, error: BaseException) -> None:
        """Let the owner end the connection, because received bytes may be lost.

        ``error``: the exception, for example of a signal handler, that stopped the processing of these bytes.
        """
        if self.owner is not None:
            self.owner.failed(received_data_lost(error))

    def _discard(self, blocks: list[bytes]) -> None:
        """Subtract the sizes of ``blocks``, plaintext that arrived after the close, from ``discard_left``.

        The upper protocol's receiver counts ``blocks`` as received. If ``discard_left`` becomes negative, call
        discarded_maximum() of the owner.
        """
        size = sum(map(len, blocks))
        stream = self._stream()
        if stream is not None:
            stream.count_discarded(size)
        self.discard_left -= size
        if self.discard_left < 0 and self.owner is not None:
            self.owner.discarded_maximum()

    def _decrypt_all(self, data: Any, stream: Receiver | None, blocks: list[bytes]) -> bool:
        """Call _decrypt() for ``data``, and for bytes that nested calls of receive() store during this call.

        If the call completes the handshake, return at once. Return True if a read of ``stream`` waits and may be
        complete.
        """
        was_complete = self._sender.handshake_complete
        ready = False
        self._decrypting = True
        try:
            while True:
                if self._decrypt(data, stream, blocks):
                    ready = True
                if not self._trailing_data or self._sender.handshake_complete != was_complete:
                    return ready
                data = self._trailing_data
                self._trailing_data = b""
        finally:
            self._decrypting = False

    def _decrypt(self, data: Any, stream: Receiver | None, blocks: list[bytes]) -> bool:
        """Decrypt the records of ``data`` into ``stream``, or into ``blocks`` if ``stream`` is None.

        Before the handshake is complete, continue the handshake instead. Bytes after a close_notify alert are dropped.
        Return True if a read of ``stream`` waits and may be complete.
        """
        if not self._sender.handshake_complete:
            self._continue_handshake(data)
            return False
        size = len(data)
        position = 0
        ready = False
        while position < size and not self.close_notify_received:
            position = self._collect(data, position, size)
            if self._missing or self._header:
                continue
            if self._read(stream, blocks):
                ready = True
        return ready

    def _collect(self, data: Any, position: int, size: int) -> int:
        """Write the next part of a record, or some short records, to the BIO. Return the position after them.

        An incomplete header is kept in ``_header``. If ``_missing`` is 0 and ``_header`` is empty after the call, the
        BIO contains ``_complete`` complete records.
        """
        self._complete = 1
        if self._missing:
            end = min(position + self._missing, size)
            self._missing -= end - position
        elif self._header or size - position < _HEADER:
            end = min(position + _HEADER - len(self._header), size)
            self._header += bytes(data[position:end])
            if len(self._header) < _HEADER:
                return end
            self._length = self._longest = _record_size(self._header, 0, _HEADER)
            self._missing = self._length - _HEADER
            self._put(self._header)
            self._header = b""
            return end
        else:
            length = _record_size(data, position, size)
            if length < size - position and length < _BATCH:
                return position + self._collect_short(bytes(data[position : position + _BATCH]))
            self._length = self._longest = length
            end = min(position + length, size)
            self._missing = length - (end - position)
        self._put(data if end - position == size else data[position:end])
        return end

    def _collect_short(self, data: bytes) -> int:
        """Write the complete records of ``data``, at least one, to the BIO. Return the position after them."""
        size = len(data)
        end = count = length = longest = 0
        header = b""
        while size - end >= _HEADER:
            # Records in a row often have the same length, and so the same header.
            if not count or not data.startswith(header, end):
                header = data[end : end + _HEADER]
                length = _length_in_header(header, 0, size - end)
                if length > size - end:
                    break
                longest = max(longest, length)
            elif length > size - end:
                break
            end += length
            count += 1
        self._length = self._longest = longest
        self._complete = count
        self._put(data[:end])
        return end

    def _read(self, stream: Receiver | None, blocks: list[bytes]) -> bool:
        """Decrypt the ``_complete`` records in the BIO, which has no others; see _decrypt()."""
        if stream is not None and self._complete > 1:
            # Short records: one call of feed() for each would cost more than the copies.
            short: list[bytes] = []
            try:
                self._read(None, short)
            finally:
                ready = bool(short) and stream.feed(b"".join(short))
            return ready
        # The content of a record is shorter than the record, so one read returns all of it.
        room = min(_PLAINTEXT, self._longest)
        read = self._read_record
        target: Any = None
        block: Any
        try:
            if stream is None:
                left = _ENDLESS if self.reads_any_length else self._complete
                for _ in range(left):
                    block = read(room)
                    if not block:
                        self.close_notify_received = True
                        break
                    blocks.append(block)
                return False
            target = stream.direct_buffer(room)
            block = read(room) if target is None else read(room, target)
            if block:
                return stream.feed(block) if target is None else stream.committed(block)
            self.close_notify_received = True
        except ssl.SSLWantReadError:
            # A record contained a message for OpenSSL, such as a session ticket or a key update, which it may answer.
            self._sender.output_pending = True
        except ssl.SSLZeroReturnError:
            self.close_notify_received = True
        return False

    def _continue_handshake(self, data: Any) -> None:
        """Continue the handshake with ``data``. Bytes after the handshake are stored in ``_trailing_data``."""
        self._sender.output_pending = True
        size = len(data)
        position = 0
        while True:
            end = min(position + _HANDSHAKE_BATCH, size)
            if end > position:
                self._put(data[position:end])
            position = end
            complete = True
            try:
                self.sslobject.do_handshake()
            except ssl.SSLWantReadError:
                complete = False
            if not complete:
                if position < size:
                    continue
                return
            # OpenSSL has consumed only the records of the handshake.
            self._trailing_data = self._take_back() + bytes(data[position:]) + self._trailing_data
            self._sender.handshake_complete = True
            return


def _record_size(data: Any, position: int, size: int) -> int:
    """Return the length in bytes of the record whose complete header is at ``position`` of ``data``.

    If the header is invalid, return the length of all remaining bytes, for which OpenSSL then raises the error."""
    if type(data) is bytes:
        return _length_in_header(data, position, size - position)
    return _length_in_header(bytes(data[position : position + _HEADER]), 0, size - position)


def _length_in_header(data: bytes, position: int, left: int) -> int:
    kind = data[position]
    length = _HEADER + (data[position + 3] << 8 | data[position + 4])
    if kind < _FIRST_TYPE or kind > _LAST_TYPE or data[position + 1] != _MAJOR or length > _MAXIMUM_RECORD:
        return left
    return length
