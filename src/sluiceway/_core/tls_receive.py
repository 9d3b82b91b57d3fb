"""TLS as bytes in and bytes out, over the ``ssl`` module's SSLObject and two memory BIOs (contracts T1 to T3).

It knows neither socket nor loop: ciphertext is handed to ``take``, and what is to be sent goes to ``carrier``. What has
to be decided (the handshake is done, the peer has ended, the connection is broken) is told to ``owner``. sealing.py has
the other half, which sends.

OpenSSL is given one record at a time, in the parts that it came in, and asked for its content when all of it is there.
So no read of data costs an SSLWantReadError; and the BIOs, which keep the memory of the largest content that they ever
had, stay small.
"""

from __future__ import annotations

import ssl
from typing import Any

from .._constants import SCRATCH_SIZE, TLS_PLAINTEXT
from .receiver import IncomingCore
from .tls_send import SealingCore, inner_of

# RFC 8446, 5.1 and 5.2, and RFC 5246, 6.2.3: a record's header, its largest content, and what encryption may add.
_HEADER = 5
_PLAINTEXT = TLS_PLAINTEXT
_MAXIMUM_RECORD = _HEADER + _PLAINTEXT + 2048
# change_cipher_spec 20, alert 21, handshake 22, application_data 23, heartbeat 24
_FIRST_TYPE, _LAST_TYPE = 20, 24
_MAJOR = 3
# Ciphertext asked of the kernel where no reader says what it has room for.
_ROOM = 65536
_MAXIMUM_ROOM = SCRATCH_SIZE


class TLSCore(SealingCore):
    """One end of a TLS connection: its receiving half, and the handshake."""

    def __init__(self, sslobject: Any, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, owner: Any) -> None:
        SealingCore.__init__(self, sslobject, outgoing, owner)
        self._read_record = inner_of(sslobject).read
        self._put = incoming.write
        # The peer's close_notify came.
        self.ended = False
        # Of the record that has begun: its header, while that is not whole; its length; and the bytes still to come.
        self._header = b""
        self._length = _PLAINTEXT
        self._missing = 0
        # What came behind the handshake.
        self._behind = b""
        self._reader_ref: Any = None

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

    def let_go(self) -> None:
        """The connection is gone: refer to nobody who refers to this."""
        SealingCore.let_go(self)
        self._reader_ref = None
        self._behind = b""


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
