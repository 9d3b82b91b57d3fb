"""StreamState: the properties of Stream that describe its connection, and the classes of their values."""

from __future__ import annotations

import dataclasses
import ssl
import time
from typing import TYPE_CHECKING, Any

from .connect_error import ConnectTimings
from .halves import StreamHalves

if TYPE_CHECKING:
    from .._core.end_of_input import EofReason


@dataclasses.dataclass(frozen=True, slots=True)
class StreamStats:
    """The counts of a Stream since the creation of its reader and writer. Each ``stream.stats`` returns a new object.

    Attributes:
        bytes_received (int): bytes that have arrived, also those that a close discards; over TLS, after decryption.
            Bytes that ``start_tls()`` has taken as the beginning of the handshake do not count.
        bytes_sent (int): bytes of the program, before encryption, that the kernel has accepted. It is the number of
            written bytes minus ``unsent_bytes``, and so over TLS slightly too low while encrypted bytes are unsent.
        arrivals (int): how often bytes arrived.
        sends (int): how often bytes were passed to the transport.
        unread_bytes (int): bytes that the next reads return: those that have arrived and were not read, and those of
            ``push_back()``.
        unsent_bytes (int): bytes that the kernel has not accepted. Over TLS, the encrypted size of those that are
            encrypted already. After a reset the event loop's own transports do not report the number: it may be 0 then.
            After an abort the number is right from the next iteration of the loop.
        unread_high_water (int): the greatest number of unread bytes at an arrival.
        reading_pauses (int): how often receiving was paused, because too many bytes were unread.
        writing_pauses (int): how often writing was paused, because more bytes than the high-water mark were unsent, or
            because ``flush()`` waited for unsent bytes.
        age (float): seconds from the creation of the Stream to the end of the connection, or to now. Of two pipes, the
            end of the written one counts. 0 if the reader of ``from_pair()`` has no connection.
    """

    bytes_received: int
    bytes_sent: int
    arrivals: int
    sends: int
    unread_bytes: int
    unsent_bytes: int
    unread_high_water: int
    reading_pauses: int
    writing_pauses: int
    age: float


@dataclasses.dataclass(frozen=True, slots=True)
class TLSDetails:
    """What a TLS connection has negotiated. Each ``stream.tls`` returns a new object.

    Attributes:
        version (str or None): the version of the protocol, such as ``"TLSv1.3"``.
        cipher (tuple or None): name, protocol and secret bits of the cipher, as ``ssl.SSLSocket.cipher()`` returns
            them.
        alpn (str or None): the protocol that ALPN selected.
        peer_certificate (dict or None): the peer's certificate, as ``ssl.SSLSocket.getpeercert()`` returns it.
        context (ssl.SSLContext): the context of the connection.
        session (ssl.SSLSession or None): the session, which ``connect(session=)`` can resume. With TLS 1.3, take it
            after a read: the ticket that makes it resumable arrives with the first data.
        session_reused (bool): whether the handshake has resumed an earlier session.
    """

    version: str | None
    cipher: tuple[str, str, int] | None
    alpn: str | None
    peer_certificate: dict[str, Any] | None
    context: ssl.SSLContext
    session: ssl.SSLSession | None = dataclasses.field(compare=False)
    session_reused: bool


class StreamState(StreamHalves):
    """The properties of Stream that describe its connection. They stay readable after the stream is closed."""

    __slots__ = ()

    @property
    def peer(self) -> Any:
        """The address of the peer, as ``writer.get_extra_info("peername")`` returns it.

        It is "" for a Unix socket without a name, such as that of a client, and None for a pipe.
        """
        return self._extra("peername")

    @property
    def local(self) -> Any:
        """The local address, as ``writer.get_extra_info("sockname")`` returns it; see ``peer``."""
        return self._extra("sockname")

    @property
    def timings(self) -> ConnectTimings | None:
        """How long each part of the ``sluiceway.connect()`` that opened this stream took; None without such a call."""
        return self._timings

    @property
    def tls(self) -> TLSDetails | None:
        """What the TLS handshake has negotiated; None without TLS."""
        context = self._extra("sslcontext")
        if context is None:
            return None
        negotiated = self._extra("ssl_object")
        return TLSDetails(
            version=negotiated.version(),
            cipher=self._extra("cipher"),
            alpn=negotiated.selected_alpn_protocol(),
            peer_certificate=self._extra("peercert"),
            context=context,
            session=negotiated.session,
            session_reused=bool(negotiated.session_reused),
        )

    @property
    def eof_reason(self) -> EofReason | None:
        """Why the input has ended; see :py:attr:`sluiceway.StreamReader.eof_reason`. None before the end."""
        return None if self._reader is None else self._reader.eof_reason

    @property
    def stats(self) -> StreamStats:
        """The current counts of the stream, as a StreamStats."""
        receiver = None if self._reader is None else self._reader._sluiceway
        sender = None if self._writer is None else self._writer._sluiceway
        record = self._links[0].keep_record() if self._links else None
        unsent = 0
        if sender is not None and record is not None:
            unsent = record.info.unsent_bytes if record.info is not None else sender.connection.unsent_size()
        return StreamStats(
            # push_back() may have added bytes that had not arrived.
            bytes_received=0 if receiver is None else max(0, receiver.received - receiver.handshake_size),
            bytes_sent=0 if sender is None else max(0, sender.written - unsent),
            arrivals=0 if receiver is None else receiver.arrivals,
            sends=0 if sender is None else sender.writes,
            unread_bytes=0 if receiver is None else receiver.buffer.size(),
            unsent_bytes=unsent,
            unread_high_water=0 if receiver is None else receiver.high_water,
            reading_pauses=0 if receiver is None else receiver.pauses,
            writing_pauses=0 if sender is None else sender.connection.flow.pauses,
            age=0.0 if record is None else (record.ended_at or time.monotonic()) - record.created_at,
        )

    def _extra(self, name: str) -> Any:
        return self._links[0].get_extra_info(name) if self._links else None
