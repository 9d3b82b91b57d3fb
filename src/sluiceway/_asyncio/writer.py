"""The public StreamWriter: the core's writer under asyncio's names, with closing and the upgrade to TLS."""

from __future__ import annotations

import asyncio
import ssl
import weakref
from typing import TYPE_CHECKING, Any

from .._connection.connection import Connection
from .._connection.starttls import upgrade_to_tls
from .._connection.unclosed_guard import close_unreferenced
from .._implementation import core
from .._transports.tls.options import tls_options
from .instance_check import InstanceCheck
from .reader import StreamReader

if TYPE_CHECKING:
    from .._core import WriteOperations
else:
    WriteOperations = core.WriteOperations


class StreamWriter(WriteOperations, asyncio.StreamWriter, metaclass=InstanceCheck):
    """Writes bytes to a peer; made by ``open_connection`` and ``start_server``.

    Args:
        transport: the transport to write to, of any kind.
        protocol: the protocol that the transport calls: a StreamReaderProtocol or FlowControlMixin, ours or asyncio's,
            or what derives from them.
        reader: the StreamReader of the same connection, or None for a transport that is only written to.
        loop: the event loop of the transport.

    Dropping a writer and its reader without close() warns with ResourceWarning and closes the connection; so does
    dropping the writer alone once the peer has ended its side.

    Source: https://docs.python.org/3/library/asyncio-stream.html
    """

    # A dict for each object would cost more than all the rest of it.
    __slots__ = ()

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        reader: StreamReader | asyncio.StreamReader | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        # A protocol of asyncio's is asked for the end of the connection; everything else is known here.
        ours = isinstance(protocol, core.ProtocolOperations)
        connection: Any = protocol._sluiceway if ours else Connection(loop)  # type: ignore[attr-defined]
        if connection.transport is not transport:
            connection.attach(transport)
        WriteOperations.__init__(self, transport, protocol, reader, loop, connection, connection.guard())
        if connection.created_at is None and isinstance(reader, StreamReader):
            connection.created_at = reader._source_traceback
        connection.writer_ref = weakref.ref(self)

    def __repr__(self) -> str:
        info = [self.__class__.__name__, f"transport={self._transport!r}"]
        if self._reader is not None:
            info.append(f"reader={self._reader!r}")
        return f"<{' '.join(info)}>"

    @property
    def transport(self) -> asyncio.WriteTransport:
        """The transport that carries the bytes; another one after start_tls."""
        transport: asyncio.WriteTransport = self._transport
        return transport

    def write_eof(self) -> None:
        """Send what is buffered, then end our side; the peer can still be read.

        Raises:
            NotImplementedError: the transport cannot: TLS, and pipes on some loops. Ask can_write_eof().
        """
        # After the end it does nothing, on uvloop too, whose transport would raise.
        if not self._sluiceway.connection.discarding:
            self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """Whether write_eof works on this connection."""
        return bool(self._transport.can_write_eof())

    def close(self) -> None:
        """Send what is buffered, then close. Returns at once; what is written from now on is dropped.

        The connection is aborted where its peer takes not one byte for the close timeout (30 s by default).
        """
        connection = _current_connection(self)
        if not connection.closing and not isinstance(self._protocol, core.ProtocolOperations):
            # asyncio's protocol knows whether the connection was lost before; ours reports it to the connection.
            _ask_foreign_protocol(self, connection)
        connection.close()

    def is_closing(self) -> bool:
        """True once the connection is closing or closed, from whichever side."""
        return self._sluiceway.connection.closing or bool(self._transport.is_closing())

    async def wait_closed(self) -> None:
        """Wait until the connection is closed and its descriptor with it.

        Raises:
            Exception: the error that the connection was lost with, where it was lost before close() was called. What
                the peer does after close() is not raised.

        Cancelling it cancels this wait alone. After close() it always ends: when everything is sent, when the
        peer fails, or after the close timeout.
        """
        waiter = self._protocol._get_close_waiter(self)
        if isinstance(self._protocol, core.ProtocolOperations):
            await waiter
            return
        connection = self._sluiceway.connection
        if connection.transport_is_closing():
            connection.bound_close()
        try:
            # asyncio's protocols return the same future to every caller; a cancelled wait must not cancel it.
            await asyncio.shield(waiter)
        except Exception:
            if not connection.closed_first:
                raise

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows under ``name`` (peername, sockname, socket, cipher, peercert …), else ``default``.

        Peername, cipher and certificate stay readable after the connection is closed.
        """
        return _current_connection(self).get_extra_info(name, default)

    async def start_tls(
        self,
        sslcontext: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        server_side: bool | None = None,
        strict_eof: bool = False,
    ) -> None:
        """Send what is buffered, then go on encrypted.

        Args:
            sslcontext: the context to use; never changed.
            server_hostname: the name that the peer's certificate must have; due where the context checks it.
            ssl_handshake_timeout: seconds; None for 60.
            ssl_shutdown_timeout: seconds that closing waits for the peer's close_notify; None for 30, which begin when
                all that was written has left.
            server_side: whether this end answers the handshake; None: where the connection was accepted.
            strict_eof: see open_connection.

        Raises:
            PlaintextBeforeTLSError: this is the client, and bytes of the server's had arrived before the upgrade.
                Nothing has happened yet. On the server they are the beginning of the handshake, which fails unless they
                are a ClientHello.
            ssl.SSLError: the handshake failed; the message names the peer. The connection is closed.
            ConnectionError: the connection was lost; also where the handshake took longer than its timeout.
            TypeError, ValueError: no SSLContext; a name is missing where the context checks it.

        Cancelled during the handshake it closes the connection.
        """
        await upgrade_to_tls(
            self,
            self._sluiceway.connection,
            sslcontext,
            server_side=server_side,
            server_hostname=server_hostname,
            **tls_options(
                True,
                {
                    "ssl_handshake_timeout": ssl_handshake_timeout,
                    "ssl_shutdown_timeout": ssl_shutdown_timeout,
                    "strict_eof": strict_eof,
                },
            ),
        )

    def __del__(self, warnings: Any = None) -> None:
        # Without a reader, or with one that has nothing more to come, only the writer kept the connection.
        try:
            sender: Any = self._sluiceway
        except AttributeError:
            # __init__ failed.
            return
        if sender is not None and (sender.reader is None or getattr(sender.reader, "_eof", False)):
            close_unreferenced(sender.connection, self)


# Functions and not methods, whose names a program's subclass may have for its own.


def _current_connection(writer: StreamWriter) -> Connection:
    """The connection, on the transport that this writer has now: programs assign ``writer._transport``."""
    connection: Connection = writer._sluiceway.connection
    if connection.transport is not writer._transport:
        connection.attach(writer._transport)
    return connection


def _ask_foreign_protocol(writer: StreamWriter, connection: Connection) -> None:
    try:
        closed = writer._protocol._get_close_waiter(writer)
    except (AttributeError, NotImplementedError):
        return
    if asyncio.isfuture(closed):
        if closed.done() and not closed.cancelled():
            connection.mark_lost(closed.exception())
    elif asyncio.iscoroutine(closed):
        closed.close()
