"""TLS as bytes in and bytes out, over the ``ssl`` module's SSLObject and two memory BIOs (contracts T1 to T3).

It knows neither socket nor loop: ciphertext is handed to ``take``, and what is to be sent goes to ``carrier``. What has
to be decided (the handshake is done, the peer has ended, the connection is broken) is told to ``owner``.

OpenSSL is given one record at a time, in the parts that it came in, and asked for its content when all of it is there.
So no read of data costs an SSLWantReadError; and the BIOs, which keep the memory of the largest content that they ever
had, stay small.
"""

from __future__ import annotations

import ssl
from collections import deque
from typing import Any

from .._facts.constants import SCRATCH_SIZE
from .incoming import IncomingCore
from .sink import Sink

# RFC 8446, 5.1 and 5.2, and RFC 5246, 6.2.3: a record's header, its largest content, and what encryption may add.
_HEADER = 5
_PLAINTEXT = 16384
_MAXIMUM_RECORD = _HEADER + _PLAINTEXT + 2048
# change_cipher_spec 20, alert 21, handshake 22, application_data 23, heartbeat 24
_FIRST_TYPE, _LAST_TYPE = 20, 24
_MAJOR = 3
# Plaintext that is encrypted before it shows whether the transport below takes more. What is made at a time stays in
# the processor's cache.
_AHEAD = 16 * _PLAINTEXT
# Ciphertext asked of the kernel where no reader says what it has room for.
_ROOM = 65536
_MAXIMUM_ROOM = SCRATCH_SIZE


class TLSCore(Sink):
    """One end of a TLS connection. ``carrier`` is a transport, or the sink of one of ours."""

    def __init__(self, sslobject: Any, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, owner: Any) -> None:
        # The object behind an SSLObject, whose methods do no more than call it.
        inner: Any = sslobject._sslobj if type(sslobject) is ssl.SSLObject else sslobject  # type: ignore[attr-defined]
        self.sslobject = sslobject
        self.owner = owner
        self.carrier: Any = None
        self._sink: Any = None
        self._read_record = inner.read
        self._write_record = inner.write
        self._put = incoming.write
        self._get = outgoing.read
        self._outgoing = outgoing
        self.closing = False
        # The handshake is done.
        self.open = False
        # The peer's close_notify came.
        self.ended = False
        # Our close_notify is due.
        self._leaving = False
        # OpenSSL may have something of its own to send.
        self._spoke = False
        # Of the record that has begun: its header, while that is not whole; its length; and the bytes still to come.
        self._header = b""
        self._length = _PLAINTEXT
        self._missing = 0
        # What came behind the handshake.
        self._behind = b""
        # Plaintext that has to wait, for room below or, in a renegotiation of TLS 1.2, for the peer; and its bytes.
        self._held_up: deque[Any] | None = None
        self._waiting = 0
        # Some of it is being encrypted. The collector may run in the middle of that, and close the connection.
        self._busy = False
        # The transport below takes no more for now; who it tells so says it here.
        self.clogged = False
        self._reader_ref: Any = None

    def set_carrier(self, carrier: Any) -> None:
        """Send to ``carrier`` from now on."""
        self.carrier = carrier
        self._sink = carrier if isinstance(carrier, Sink) else None

    def set_reader(self, reference: Any) -> None:
        """Feed the reader that ``reference`` refers to weakly; None hands everything to the owner."""
        self._reader_ref = reference

    def reader(self) -> IncomingCore | None:
        """The reader that is fed directly, if it is there and takes it."""
        if self._reader_ref is None:
            return None
        reader: IncomingCore | None = self._reader_ref()
        return None if reader is None or reader._ps_intercepted else reader

    def room(self) -> int:
        """How many bytes of ciphertext may be received at once (contract R3)."""
        # Of one that does not take what arrives directly too.
        reader = None if self._reader_ref is None else self._reader_ref()
        room = _ROOM if reader is None or self.closing else min(_MAXIMUM_ROOM, reader._ps_room())
        # Whole records, of which the next are as long as the last, where they are long: no parts of them to keep.
        rest = self._length - len(self._header) if self._header else self._missing
        whole = room - rest
        return rest + whole - whole % self._length if whole > self._length > _PLAINTEXT else room

    # -- bytes in -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the handshake: a client speaks first."""
        self.take(b"")

    def take(self, data: Any) -> IncomingCore | None:
        """Decrypt what arrived, a bytes-like object that nobody changes until this returns.

        Returns the reader whose waiter is to be woken, by the caller, when all state is as it should be.
        """
        wake = None
        while True:
            blocks: list[bytes] = []
            was_open = self.open
            error: BaseException | None = None
            reader = self.reader()
            try:
                if self._decrypt(data, None if self.closing else reader, blocks):
                    wake = reader
            except (OSError, ValueError) as caught:
                error = caught
            except BaseException:
                # An interrupt. What OpenSSL had taken already may be lost, and nothing behind it may pass for whole.
                if self.owner is not None:
                    self.owner.failed(ConnectionAbortedError("interrupted while a TLS record was read"))
                raise
            # Answers are sent, and others called, when ``data`` has been used up: its memory may be used for them.
            if error is not None:
                # The alert that says why.
                self._answer()
            elif self._spoke or self._waiting or self._leaving:
                self._flush()
            if blocks and reader is None and not self.closing:
                self.owner.deliver(blocks[0] if len(blocks) == 1 else b"".join(blocks))
            if error is not None:
                if self.owner is not None:
                    self.owner.failed(error)
                # Its traceback holds this frame: no ring through it.
                error = None
                return wake
            if self.open and not was_open:
                self.owner.handshake_done()
                data, self._behind = self._behind, b""
                continue
            if self.ended and self.owner is not None:
                self.owner.peer_ended()
            return wake

    def _decrypt(self, data: Any, reader: IncomingCore | None, blocks: list[bytes]) -> bool:
        """Give OpenSSL the whole records of ``data``, and what it makes of them to ``reader``, else to ``blocks``.

        What is behind the record that completes the handshake is kept. True: the reader's waiter is to be woken.
        """
        size = len(data)
        position = 0
        wake = False
        was_open = self.open
        if not size:
            return self._read(reader, blocks)
        while position < size and not self.ended:
            position = self._collect(data, position, size)
            if self._missing or self._header:
                continue
            if self._read(reader, blocks):
                wake = True
            if self.open and not was_open:
                self._behind = bytes(data[position:])
                return wake
        return wake

    def _collect(self, data: Any, position: int, size: int) -> int:
        """Put what ``data`` has of one record where OpenSSL will find it; the next position. All of it is there if
        nothing is missing then, and no header is kept."""
        if self._missing:
            end = min(position + self._missing, size)
            self._missing -= end - position
        elif self._header or size - position < _HEADER:
            end = min(position + _HEADER - len(self._header), size)
            self._header += bytes(data[position:end])
            if len(self._header) < _HEADER:
                return end
            self._length = _record_size(self._header, 0, _HEADER)
            self._missing = self._length - _HEADER
            self._put(self._header)
            self._header = b""
            return end
        else:
            self._length = _record_size(data, position, size)
            end = min(position + self._length, size)
            self._missing = self._length - (end - position)
        self._put(data if end - position == size else data[position:end])
        return end

    def _read(self, reader: IncomingCore | None, blocks: list[bytes]) -> bool:
        """Have OpenSSL read the record that it was given, or nothing. True: the reader's waiter is to be woken."""
        if not self.open:
            self._shake_hands()
            return False
        # No record has more content than bytes, so one read takes all of it.
        room = min(_PLAINTEXT, self._length)
        landing = None
        if reader is not None and reader._ps_wanted:
            landing = reader._ps_unread.landing(room)
        block: Any
        try:
            block = self._read_record(room) if landing is None else self._read_record(room, landing)
        except ssl.SSLWantReadError:
            # No content, but a message to OpenSSL itself, which may answer: a session ticket, a key update.
            self._spoke = True
            return False
        except ssl.SSLZeroReturnError:
            block = b""
        if not block:
            self.ended = True
            return False
        if reader is None:
            blocks.append(block)
            return False
        if landing is None:
            return reader._ps_arrive(block)
        reader._ps_unread.landed(block)
        return reader._ps_satisfied()

    def _shake_hands(self) -> None:
        self._spoke = True
        try:
            self.sslobject.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.open = True

    # -- bytes out ----------------------------------------------------------------------------------------------------

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

    def _refused(self, error: BaseException) -> None:
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
        self._reader_ref = None
        self._behind = b""
        self._forget()
        self._leaving = False


def _record_size(data: Any, position: int, size: int) -> int:
    """The length of the record whose header is at ``position``; everything, where it is none: OpenSSL then says what is
    wrong."""
    if type(data) is bytes:
        return _said_size(data, position, size - position)
    return _said_size(bytes(data[position : position + _HEADER]), 0, size - position)


def _said_size(data: bytes, position: int, left: int) -> int:
    kind = data[position]
    length = _HEADER + (data[position + 3] << 8 | data[position + 4])
    if kind < _FIRST_TYPE or kind > _LAST_TYPE or data[position + 1] != _MAJOR or length > _MAXIMUM_RECORD:
        return left
    return length
