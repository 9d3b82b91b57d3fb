"""start_tls: the upgrade of an open connection to TLS, on the same transport."""

from __future__ import annotations

import asyncio
import copy
import ssl
from typing import Any, Protocol

from .._errors import PlaintextBeforeTLSError
from .._implementation import core
from .._net.addresses import name_peer
from .._transports.tls.transport import TLSTransport
from .connection import Connection


class UpgradableWriter(Protocol):
    """What a StreamWriter has; asyncio's private names."""

    _transport: Any
    _protocol: Any
    _reader: Any
    _loop: asyncio.AbstractEventLoop

    async def drain(self) -> None:
        """Send what was written before the upgrade."""


async def upgrade_to_tls(
    writer: UpgradableWriter, connection: Connection, sslcontext: ssl.SSLContext, **options: Any
) -> None:
    """Replace the transport of ``writer`` by one that encrypts over it; see StreamWriter.start_tls."""
    try:
        await _upgrade(writer, connection, sslcontext, **options)
    except ConnectionError as error:
        # The handler of this connection need not report it.
        connection.flow.mark(error)
        raise


async def _upgrade(
    writer: UpgradableWriter,
    connection: Connection,
    sslcontext: ssl.SSLContext,
    *,
    server_side: bool | None = None,
    **options: Any,
) -> None:
    if not isinstance(sslcontext, ssl.SSLContext):
        raise TypeError(f"start_tls() takes an ssl.SSLContext, not {type(sslcontext).__name__}")
    protocol = writer._protocol
    if server_side is None:
        server_side = getattr(protocol, "_client_connected_cb", None) is not None
    if not server_side and sslcontext.check_hostname and not options.get("server_hostname"):
        raise ValueError("start_tls() needs server_hostname: the context checks the name in the peer's certificate")
    await writer.drain()
    reader = writer._reader
    plain = writer._transport
    if plain.is_closing() is True:
        raise ConnectionResetError(f"start_tls() on a connection that is closed ({connection.describe()})")
    if reader is not None and not server_side:
        _refuse_plaintext(reader, connection)
    try:
        encrypted = TLSTransport(
            writer._loop, protocol, sslcontext, server_side=server_side, call_connection_made=False, **options
        )
        # The peer of a server may have sent its ClientHello right after the command; anything else fails the
        # handshake. None of it is ever read as if it had arrived encrypted.
        encrypted.start_on(plain, b"" if reader is None else _take_unread(reader))
        await encrypted.wait_for_handshake()
    except BaseException as error:
        if isinstance(error, (TypeError, ValueError)) and not isinstance(error, OSError):
            # Refused before anything happened; SSLCertVerificationError is a ValueError too.
            raise
        name_peer(error, connection.describe())
        _end_failed(writer, connection, plain, error)
        raise
    if connection.closing or connection.lost:
        lost = ConnectionResetError(f"the connection was lost during the TLS handshake ({connection.describe()})")
        _end_failed(writer, connection, plain, lost)
        try:
            raise lost
        finally:
            # Its traceback refers to this frame: no reference cycle.
            del lost
    writer._transport = encrypted
    connection.attach(encrypted)
    replace = getattr(protocol, "_replace_transport", None)
    if replace is not None:
        replace(encrypted)
    else:
        protocol._replace_writer(writer)
    if reader is not None:
        # A pause of the lower transport would not stop what is already decrypted.
        reader._transport = encrypted


def _refuse_plaintext(reader: Any, connection: Connection) -> None:
    unread = reader._sluiceway.buffer.size() if isinstance(reader, core.ReadOperations) else len(reader._buffer)
    if unread:
        raise PlaintextBeforeTLSError(
            f"{unread} bytes from the peer arrived unencrypted before start_tls ({connection.describe()}); "
            "close the connection, or read them first, knowing that they are not protected"
        )


def _take_unread(reader: Any) -> bytes:
    """What has arrived and was not read, taken out of ``reader``."""
    if isinstance(reader, core.ReadOperations):
        unread: bytes = reader._sluiceway.buffer.take_all()
        return unread
    unread = bytes(reader._buffer)
    reader._buffer.clear()
    return unread


def _end_failed(writer: UpgradableWriter, connection: Connection, plain: Any, error: BaseException) -> None:
    """A handshake failed. Some loops do not report every such end to the protocol; no task may wait for it forever."""
    plain.abort()
    # The traceback of the error that is raised refers to the stream that keeps this one.
    error = copy.copy(error)

    def report() -> None:
        if not connection.lost:
            writer._protocol.connection_lost(error if isinstance(error, Exception) else None)

    # Two turns: abort() calls connection_lost in the next one.
    writer._loop.call_soon(writer._loop.call_soon, report)
