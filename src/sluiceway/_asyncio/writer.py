"""The public StreamWriter: the write methods of the core, closing, and the upgrade to TLS."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .._connection.connection import Connection, is_pipe, waits_for_close
from .._connection.starttls import is_upgrading, upgrade_to_tls
from .._constants import CLOSE_TIMEOUT
from .._implementation import core
from .._transports.loop_adapter import LoopAdapter
from .._transports.tls.options import tls_options
from .argument_checks import check_explicit_hostname
from .instance_check import InstanceCheck
from .reader import StreamReader

if TYPE_CHECKING:
    from .._core import WriteOperations
else:
    WriteOperations = core.WriteOperations


class StreamWriter(WriteOperations, asyncio.StreamWriter, metaclass=InstanceCheck):
    """Writes bytes to a connection. ``open_connection`` and ``start_server`` create writers.

    If the program drops both the reader and the writer of an open connection, the connection is closed, and a
    ResourceWarning is emitted. After end of file was received, dropping the writer is enough.

    Args:
        transport (asyncio.WriteTransport): the transport to write to.
        protocol (asyncio.BaseProtocol): the protocol of the transport: a StreamReaderProtocol or FlowControlMixin of
            sluiceway or asyncio, or a subclass.
        reader (StreamReader, asyncio.StreamReader or None): the reader of the same connection; None for a write-only
            transport.
        loop (asyncio.AbstractEventLoop): the event loop that runs the transport.

    Source: https://docs.python.org/3/library/asyncio-stream.html
    """

    # An instance dict would take more memory than the rest of the object.
    __slots__ = ()

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        reader: StreamReader | asyncio.StreamReader | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        # For a protocol of asyncio, the writer keeps its own connection; close() queries the protocol for a loss.
        # Not isinstance(): it is true for a mock with a spec, which has no state of the package.
        ours = issubclass(type(protocol), core.ProtocolOperations)
        if not ours and issubclass(type(protocol), LoopAdapter):
            # get_protocol() of a loop's own transport has returned it. None if the connection has ended.
            protocol = protocol.upper_protocol() or protocol  # type: ignore[attr-defined]
            ours = issubclass(type(protocol), core.ProtocolOperations)
        connection: Any = protocol._sluiceway if ours else Connection(loop)  # type: ignore[attr-defined]
        if connection.transport is not transport:
            if ours and connection.lost and is_pipe(connection.transport) and is_pipe(transport):
                connection = protocol._sluiceway_renew()  # type: ignore[attr-defined]
            connection.attach(transport)
        WriteOperations.__init__(self, transport, protocol, reader, loop, connection, connection.guard(reader))
        if connection.created_at is None and issubclass(type(reader), core.ReadOperations):
            connection.created_at = reader._source_traceback  # type: ignore[union-attr]
        connection.writer_ref = weakref.ref(self)

    def _sluiceway_begin(self) -> None:
        loop: Any = asyncio._get_running_loop()
        # Without a loop, a close cannot be bounded.
        connection = Connection(loop, None if loop is None else CLOSE_TIMEOUT)
        WriteOperations.__init__(self, None, None, None, loop, connection)

    def _sluiceway_join(self, protocol: Any) -> None:
        sender, connection = self._sluiceway, protocol._sluiceway
        transport = connection.transport if sender.transport is None else sender.transport
        StreamWriter.__init__(self, transport, protocol, sender.reader, connection.loop)

    def __repr__(self) -> str:
        info = [self.__class__.__name__, f"transport={self._sluiceway.transport!r}"]
        if self._reader is not None:
            info.append(f"reader={self._reader!r}")
        return f"<{' '.join(info)}>"

    @property
    def transport(self) -> asyncio.WriteTransport:
        """The transport of the connection. After start_tls(), the TLS transport."""
        transport: asyncio.WriteTransport = self._transport
        return transport

    def write_eof(self) -> None:
        """End the writing direction after the buffered data has been sent (TCP: with a FIN). Return immediately.

        The reader can still receive data. A later write() raises RuntimeError. On a closed or lost connection, the call
        has no effect, and raises no error. But if the event loop has not noticed the loss yet, a later write() raises
        RuntimeError. On asyncio's own pipe transports, such as that of the standard input of a child process of
        asyncio, the call closes the transport: data that is written later is discarded.

        Raises:
            NotImplementedError: the transport cannot end one direction alone (TLS, and pipes on some loops), or
                start_tls() is running. ``can_write_eof()`` returns False in both cases.
        """
        # No effect on a closed or lost connection; uvloop's transport would raise.
        sender = self._sluiceway
        if sender.can_send():
            # The transport refuses later writes.
            sender.connection.share_transport()
            if is_upgrading(sender.transport):
                raise NotImplementedError(
                    "write_eof(): start_tls() is running, and TLS connections cannot be half-closed; close() ends both "
                    "directions"
                )
            try:
                sender.transport.write_eof()
            except OSError as error:
                # The peer has reset the connection, which the loop's own transport has not noticed yet.
                if error.errno != errno.ENOTCONN:
                    raise
            sender.eof_written = True

    def can_write_eof(self) -> bool:
        """Return True if the transport supports write_eof(), and False otherwise, for example over TLS."""
        transport = self._sluiceway.transport
        return bool(transport.can_write_eof()) and not is_upgrading(transport)

    def close(self) -> None:
        """Close the connection after the buffered data has been sent. Return immediately; see wait_closed().

        Data that is written after the call is discarded. If the kernel accepts no data, and the peer acknowledges none,
        for one to two times ``close_timeout`` (30 seconds by default), the connection is aborted, and its unsent data
        is discarded. A second call has no effect.
        """
        connection = _current_connection(self)
        if not connection.closing and not issubclass(type(self._sluiceway.protocol), core.ProtocolOperations):
            # A protocol of sluiceway reports a loss to the connection; asyncio's must be queried.
            _ask_foreign_protocol(self, connection)
        connection.close()

    def is_closing(self) -> bool:
        """Return True if the connection is closing, closed or lost, whichever side caused it."""
        return self._sluiceway.connection.closing or bool(self._sluiceway.transport.is_closing())

    async def wait_closed(self) -> None:
        """Wait until the connection and its file descriptor are closed.

        After close(), the call returns when all data has been sent, or when the connection is lost. It also returns
        when the connection is aborted because the kernel has accepted no data, and the peer has acknowledged none, for
        one to two times ``close_timeout``. Over TLS it also waits for the peer's close_notify alert, for at most
        ``ssl_shutdown_timeout`` after all data has been sent. A peer that reads slowly can delay the return without a
        limit. With ``close_timeout=None``, a peer that reads nothing delays it without a limit as well.

        Without close(), the call waits until the connection ends for another reason. Cancelling the call affects no
        other waiting call, and the connection continues to close.

        Raises:
            Exception: the error that ended the connection. It is not raised if the program called close() while the
                transport was open. It is raised if the transport was closing already, for example after the peer's
                close_notify alert.
        """
        protocol = self._sluiceway.protocol
        waiter = protocol._get_close_waiter(self)
        if issubclass(type(protocol), core.ProtocolOperations):
            try:
                await waiter
            except BaseException:
                # Has an effect if close() or throw() has ended the coroutine: otherwise the loop would report a later
                # error of the connection as never retrieved. The collector may end it after the loop was closed.
                if not waiter.get_loop().is_closed():
                    waiter.cancel()
                raise
            finally:
                # Breaks a reference cycle: the future keeps the error, whose traceback refers to this frame.
                del waiter
            return
        connection = self._sluiceway.connection
        if connection.transport_is_closing():
            connection.bound_close()
        try:
            # asyncio's protocols return one future to all callers; a cancelled call must not cancel it.
            await asyncio.shield(waiter)
        except Exception:
            if not connection.closed_first:
                raise
        finally:
            del waiter

    async def __aenter__(self) -> Self:
        """Return the writer. ``async with writer:`` closes it at the end of the block, and waits until it is closed.

        At the end of the block, the writer does what ``close()`` and ``await wait_closed()`` do. If the block raises,
        its exception is raised, whatever ``wait_closed()`` would raise. If the block is cancelled, or raises
        TimeoutError, the connection is closed in the background, without a wait.
        """
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if exc is None:
            await self.wait_closed()
        elif waits_for_close(exc):
            with contextlib.suppress(Exception):
                await self.wait_closed()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the transport's value for ``name`` ("peername", "sockname", "socket", "cipher", "peercert", …).

        If the transport has no such value, ``default`` is returned. The addresses, the cipher and the certificate are
        also returned after the connection has ended.

        Source: https://docs.python.org/3/library/asyncio-protocol.html#asyncio.BaseTransport.get_extra_info
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
        """Upgrade the connection to TLS, and return when the handshake is complete.

        Data that was written before the call is sent unencrypted before the handshake starts. Data that another task
        writes during the call is sent unencrypted, too, and breaks the handshake.

        The call first waits as drain() does. If it is cancelled during this wait, the connection stays open and
        unencrypted. If it is cancelled later, the connection is closed, and data that is still unsent is discarded.

        Args:
            sslcontext (ssl.SSLContext): the TLS context, which is not modified.
            server_hostname (str or None): the name that the peer's certificate must match. On the client, a
                context that checks host names requires it, and ``""`` is refused.
            ssl_handshake_timeout (float or None): the seconds that the handshake may take. None means 60.
            ssl_shutdown_timeout (float or None): the seconds that closing waits for the peer's close_notify alert,
                after all written data has been sent. None means 30.
            server_side (bool or None): True to act as the TLS server, False as the TLS client. None means True for an
                accepted connection, else False.
            strict_eof (bool): see open_connection.

        Raises:
            PlaintextBeforeTLSError: this side is the client, and the reader contains unencrypted bytes. The connection
                is unchanged. On the server, unread bytes are taken as the beginning of the handshake, which fails
                unless they are a ClientHello.
            ssl.SSLError: the handshake failed, and the connection is closed. The message names the peer.
            ConnectionError: the connection was closed or ended, or the handshake timed out.
            Exception: what drain() raises: the error of a lost connection, or the exception that was passed to
                ``set_exception()`` of the reader.
            RuntimeError: write_eof() was called before, or another start_tls() of the connection is running. Or the
                reader is dropping the rest of an overlong record of ``lines()`` or a similar iterator; read the next
                record first. The connection is unchanged.
            TypeError: an argument has a wrong type. The connection is unchanged.
            ValueError: ``server_hostname`` is not a valid host name, or it is missing or empty and the context checks
                host names; the context is for the other side; or a timeout is not greater than 0. The connection is
                unchanged.
        """
        connection = self._sluiceway.connection
        check_explicit_hostname(server_hostname, sslcontext, "start_tls", connection.describe())
        await upgrade_to_tls(
            self,
            connection,
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
        # Without a reader, or after end of file, only the writer keeps the connection in use.
        try:
            sender: Any = self._sluiceway
        except AttributeError:
            # __init__ failed, or was not called.
            return
        if sender is None or sender.guard is None or sender.connection.closing or sender.connection.lost:
            return
        if sender.reader is None or getattr(sender.reader, "_eof", False):
            sender.guard.close(self)


# Functions instead of methods, because a program's subclass may define methods of the same names.


def _current_connection(writer: StreamWriter) -> Connection:
    """Return the connection. If the program has assigned ``writer._transport``, attach the new transport first."""
    connection: Connection = writer._sluiceway.connection
    transport = writer._sluiceway.transport
    if connection.transport is not transport:
        connection.attach(transport)
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
