"""start_tls(): upgrade an open connection to TLS, with its present transport below the TLS transport."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any, Protocol

from .._errors import PlaintextBeforeTLSError, copy_error, is_own_close, own_close_error
from .._implementation import core
from .._net.addresses import contains_nul, describe_address, name_handshake, name_peer
from .._transports.tls.lower_protocol import LowerProtocol
from .._transports.tls.transport import TLSTransport
from .connection import Connection, has_ended
from .connection_record import ConnectionRecord


class UpgradableWriter(Protocol):
    """The private attributes and the method of a StreamWriter that the upgrade uses."""

    _sluiceway: Any
    _transport: Any
    _protocol: Any
    _reader: Any
    _loop: asyncio.AbstractEventLoop

    async def drain(self) -> None:
        """See StreamWriter.drain."""


def is_upgrading(transport: Any) -> bool:
    """Return True while the TLS handshake of a start_tls() runs over ``transport``, the transport of a writer."""
    try:
        return isinstance(transport.get_protocol(), LowerProtocol)
    except (AttributeError, NotImplementedError):
        # A transport of the program may have no such method.
        return False


async def upgrade_to_tls(
    writer: UpgradableWriter,
    connection: Connection,
    sslcontext: ssl.SSLContext,
    *,
    in_turn: bool = False,
    **options: Any,
) -> None:
    """Replace the transport of ``writer`` with a TLS transport over that transport; see StreamWriter.start_tls.

    ``in_turn``: True to wait until another start_tls() of the Stream has ended. If it is False, or if there is no
    Stream, raise RuntimeError while another start_tls() is running.
    """
    record = connection.record
    alone = contextlib.nullcontext() if record is None else _in_upgrade(record, connection, in_turn)
    try:
        async with alone:
            await _upgrade(writer, connection, sslcontext, **options)
    except ConnectionError as error:
        if record is not None and record.error is not None:
            # The error for which the connection was aborted, such as that of the idle timeout.
            raise connection.own_error(copy_error(record.error)) from None  # type: ignore[arg-type]
        if not isinstance(error, PlaintextBeforeTLSError):
            # Marks the error as the loss of this connection, which is not reported if it ends the handler.
            connection.flow.mark(error)
        raise


@contextlib.asynccontextmanager
async def _in_upgrade(record: ConnectionRecord, connection: Connection, in_turn: bool) -> AsyncIterator[None]:
    """Return a context manager, in whose block nothing else is sent on a Stream; see upgrade_to_tls()."""
    if record.upgrades and not in_turn:
        raise _other_upgrade(connection)
    record.upgrades += 1
    try:
        async with record.sending_alone():
            try:
                yield
            finally:
                record.upgrade = None
    finally:
        record.upgrades -= 1


def _other_upgrade(connection: Connection) -> RuntimeError:
    return RuntimeError(f"start_tls(): another start_tls() of {connection.describe()} is running; call it once")


async def _upgrade(
    writer: UpgradableWriter,
    connection: Connection,
    sslcontext: ssl.SSLContext,
    *,
    server_side: bool | None = None,
    **options: Any,
) -> None:
    if not isinstance(sslcontext, ssl.SSLContext):
        raise TypeError(
            "start_tls(): sslcontext argument must be an ssl.SSLContext, "
            f"not {type(sslcontext).__name__!r}: {sslcontext!r} ({connection.describe()})"
        )
    name = options.get("server_hostname")
    if name is not None and not isinstance(name, (str, bytes)):
        raise TypeError(
            f"start_tls(): server_hostname argument must be a str or None, not {type(name).__name__!r}: {name!r} "
            f"({connection.describe()})"
        )
    if name is not None and contains_nul(name):
        raise ValueError(
            f"start_tls(): server_hostname argument must not contain a NUL character: {name!r} "
            f"({connection.describe()})"
        )
    protocol = writer._protocol
    if server_side is None:
        server_side = getattr(protocol, "_client_connected_cb", None) is not None
    if not server_side and sslcontext.check_hostname and not options.get("server_hostname"):
        raise ValueError(
            "start_tls(): server_hostname is missing or empty, and the context checks host names; pass the name that "
            f"the peer's certificate must contain ({connection.describe()})"
        )
    if sslcontext.protocol == (ssl.PROTOCOL_TLS_CLIENT if server_side else ssl.PROTOCOL_TLS_SERVER):
        context_side, side = ("client", "server") if server_side else ("server", "client")
        raise ValueError(
            f"start_tls(): the context is a {context_side} context (ssl.{sslcontext.protocol.name}), and this side "
            f"acts as the TLS {side}; pass a {side} context, or server_side={not server_side} ({connection.describe()})"
        )
    _refuse_ended_direction(writer, connection)
    await writer.drain()
    reader = writer._reader
    plain = writer._transport
    # During a lingering close, the transport is not closing yet.
    if connection.discarding or plain.is_closing() is True:
        raise ConnectionResetError(f"start_tls(): {connection.describe()} is closed")
    # Another task may have called write_eof() or start_tls() during drain().
    _refuse_ended_direction(writer, connection)
    if is_upgrading(plain):
        raise _other_upgrade(connection)
    if reader is not None:
        _refuse_dropped_record(reader, connection)
        if not server_side:
            _refuse_plaintext(reader, connection)
    encrypted: TLSTransport | None = None
    try:
        encrypted = TLSTransport(
            writer._loop, protocol, sslcontext, server_side=server_side, call_connection_made=False, **options
        )
        # A client may send its ClientHello right after its STARTTLS command, before the server starts the upgrade.
        # Unread bytes are therefore input of the handshake, and are never returned as decrypted data.
        unread = b"" if reader is None else _take_unread(reader)
        if reader is not None:
            # start_on() resumes the lower transport. Otherwise the reader would not pause for decrypted data.
            reader._paused = False
        if connection.record is not None:
            connection.record.upgrade = encrypted
        encrypted.start_on(plain, unread, getattr(reader, "_eof", False) is True)
        await encrypted.wait_for_handshake()
    except BaseException as error:
        if encrypted is None and isinstance(error, (TypeError, ValueError)):
            # An invalid argument: nothing has changed yet.
            if isinstance(error, UnicodeError):
                raise ValueError(
                    f"start_tls(): server_hostname {options['server_hostname']!r} is not a valid host name: {error} "
                    f"({connection.describe()})"
                ) from None
            raise
        if isinstance(error, OSError) and connection.owner is not None and not connection.closing:
            # Before name_handshake() changes the message, because failures with the same reason are logged once.
            connection.owner.handshake_failed(error)
        peer = describe_address(connection.get_extra_info("peername"))
        name_handshake(error, options.get("server_hostname"), peer, hint_at_reset=not server_side)
        _end_failed(writer, connection, plain, error)
        raise
    if connection.closing or connection.lost:
        if connection.closed_first:
            lost = own_close_error()
            name_peer(lost, connection.describe())
        else:
            lost = ConnectionResetError(f"start_tls(): {connection.describe()} was lost during the TLS handshake")
        _end_failed(writer, connection, plain, lost)
        try:
            raise lost
        finally:
            # Breaks a reference cycle: the traceback of the error refers to this frame.
            del lost
    writer._transport = encrypted
    connection.attach(encrypted)
    if connection.record is not None:
        connection.record.unwatch_abort(plain)
    replace = getattr(protocol, "_replace_transport", None)
    if replace is not None:
        replace(encrypted)
    else:
        protocol._replace_writer(writer)
    if reader is not None:
        # The reader must pause the TLS transport: a pause of the lower one does not stop decrypted data.
        reader._transport = encrypted


def _refuse_ended_direction(writer: UpgradableWriter, connection: Connection) -> None:
    """Raise RuntimeError if the program has ended the writing direction."""
    if connection.record is not None and connection.record.eof_sent:
        # Also if another task called send_eof() while this call waited.
        raise RuntimeError(f"start_tls(): not possible after send_eof() ({connection.describe()})")
    if writer._sluiceway.eof_written:
        raise RuntimeError(f"start_tls(): not possible after write_eof() ({connection.describe()})")


def _refuse_plaintext(reader: Any, connection: Connection) -> None:
    """Raise PlaintextBeforeTLSError if ``reader`` has unread bytes."""
    unread = reader._sluiceway.buffer.size() if issubclass(type(reader), core.ReadOperations) else len(reader._buffer)
    if unread:
        raise PlaintextBeforeTLSError(
            f"start_tls(): {unread} unencrypted bytes arrived before the upgrade ({connection.describe()}); "
            "close the connection, or read the bytes first and treat them as unauthenticated"
        )


def _refuse_dropped_record(reader: Any, connection: Connection) -> None:
    """Raise RuntimeError if ``reader`` drops the next bytes that arrive, which would be decrypted ones."""
    if issubclass(type(reader), core.ReadOperations):
        discard = reader._sluiceway.discard
    else:
        # lines() and the like have replaced the method of asyncio's reader.
        discard = getattr(vars(reader).get("feed_data"), "discard", None)
    if discard is not None:
        raise RuntimeError(
            "start_tls(): the rest of an overlong record, or of a cancelled skip(), has not arrived yet "
            f"({connection.describe()}); close the connection, or read what follows the rest first"
        )


def _take_unread(reader: Any) -> bytes:
    """Remove and return the unread bytes of ``reader``."""
    if issubclass(type(reader), core.ReadOperations):
        receiver = reader._sluiceway
        unread: bytes = receiver.buffer.take_all()
        receiver.handshake_size += len(unread)
        return unread
    unread = bytes(reader._buffer)
    reader._buffer.clear()
    return unread


def _end_failed(writer: UpgradableWriter, connection: Connection, plain: Any, error: BaseException) -> None:
    """Abort the connection after a failed handshake. Call connection_lost() of the protocol if the transport does not.

    The transports of some loops do not report every failed handshake. Without the call, wait_closed() would block
    without end. The call passes a copy of ``error``, or None if close() or abort() of this program ended the
    handshake. A cancellation counts as a ConnectionAbortedError for a Stream, otherwise as None.
    """
    record = connection.record
    if record is not None and record.error is None and not connection.lost and not isinstance(error, Exception):
        # Reads and sends of the Stream raise it. With None they would report an end that the peer has caused.
        record.error = error = ConnectionAbortedError(
            f"start_tls() timed out or was cancelled during the TLS handshake: {connection.describe()} was aborted"
        )
    reported: BaseException | None = None
    if isinstance(error, Exception) and not is_own_close(error):
        # A copy avoids a reference cycle: the stream keeps the error, and the traceback refers to the stream.
        reported = copy_error(error)

    def report() -> None:
        if not connection.lost:
            writer._protocol.connection_lost(reported)

    # Two iterations of the loop later: abort() calls connection_lost() in the next one.
    writer._loop.call_soon(writer._loop.call_soon, report)
    if not has_ended(plain):
        plain.abort()
