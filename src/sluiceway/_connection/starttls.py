"""start_tls: the upgrade of an open connection to TLS, on the same transport."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from .._errors import PlaintextBeforeTLSError
from .._implementation import core
from .._net.addresses import name_peer
from .._transports.tls.transport import TLSTransport

if TYPE_CHECKING:
    from .._asyncio.writer import StreamWriter
    from .connection import Connection


async def upgrade_to_tls(writer: StreamWriter, sslcontext: ssl.SSLContext, **options: Any) -> None:
    """Replace the transport of ``writer`` by one that speaks TLS over it; see StreamWriter.start_tls."""
    try:
        await _upgrade(writer, sslcontext, **options)
    except ConnectionError as error:
        # The loss of this very connection, for whoever asks later whose it was.
        error._sluiceway_mark = getattr(writer._protocol, "_ps_error_mark", None)  # type: ignore[attr-defined]
        raise


async def _upgrade(
    writer: StreamWriter, sslcontext: ssl.SSLContext, *, server_side: bool | None = None, **options: Any
) -> None:
    if not isinstance(sslcontext, ssl.SSLContext):
        raise TypeError(f"start_tls() takes an ssl.SSLContext, not {type(sslcontext).__name__}")
    protocol = writer._protocol
    connection = writer._ps_connection
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
        # A server's peer may have sent its ClientHello behind the command; if that is anything else, the handshake
        # fails. Nothing of it is ever read as if it had come encrypted.
        encrypted.over(plain, b"" if reader is None else _take_unread(reader))
        await encrypted.made()
    except BaseException as error:
        if isinstance(error, (TypeError, ValueError)) and not isinstance(error, OSError):
            # Refused before anything happened; SSLCertVerificationError is a ValueError too.
            raise
        name_peer(error, connection.describe())
        _end_failed(writer, plain, error)
        raise
    if connection.closing or connection.lost:
        lost = ConnectionResetError(f"the connection was lost during the TLS handshake ({connection.describe()})")
        _end_failed(writer, plain, lost)
        raise lost
    writer._transport = encrypted
    connection.attach(encrypted)
    replace = getattr(protocol, "_replace_transport", None)
    if replace is not None:
        replace(encrypted)
    else:
        protocol._replace_writer(writer)
    if reader is not None:
        # Pausing the transport below would leave what is already decrypted on its way.
        reader._transport = encrypted


def _refuse_plaintext(reader: Any, connection: Connection) -> None:
    unread = reader._ps_unread.held() if isinstance(reader, core.ReaderCore) else len(reader._buffer)
    if unread:
        raise PlaintextBeforeTLSError(
            f"{unread} bytes from the peer arrived unencrypted before start_tls ({connection.describe()}); "
            "close the connection, or read them first, knowing that they are not protected"
        )


def _take_unread(reader: Any) -> bytes:
    """What has arrived and was not read, taken out of ``reader``."""
    if isinstance(reader, core.ReaderCore):
        held = reader._ps_unread.held()
        return reader._ps_unread.take(held) if held else b""
    unread = bytes(reader._buffer)
    reader._buffer.clear()
    return unread


def _end_failed(writer: StreamWriter, plain: Any, error: BaseException) -> None:
    """A handshake failed. Loops do not tell the protocol of every such end; nobody may wait for it for ever."""
    plain.abort()
    connection = writer._ps_connection
    loop = writer._loop

    def tell() -> None:
        if not connection.lost:
            writer._protocol.connection_lost(error if isinstance(error, Exception) else None)

    # Two turns: abort() has its own connection_lost called in the next one.
    loop.call_soon(loop.call_soon, tell)
