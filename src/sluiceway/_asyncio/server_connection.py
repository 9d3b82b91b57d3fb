"""ServerConnection: a server's entry for one accepted connection, from the accepted socket to the connection's end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl as ssl_module
import weakref
from typing import Any, Literal, NamedTuple, Protocol

from .._connection.connection import Connection
from .._connection.loop_thread import run_after_collection
from .._net.accept import report_setup_error
from .._net.addresses import describe_address, name_handshake
from .._transports.loop_adapter import LoopAdapter
from .._transports.loop_close import close_after_loop
from .._transports.make_transport import make_accepted, make_accepted_now, make_accepted_tls_now
from .._transports.named_task import create_named_task
from .protocol import ClientConnected, StreamReaderProtocol
from .reader import StreamReader


class ConnectionOptions(NamedTuple):
    """The options of a server that apply to each accepted connection.

    - ``client_connected_cb``: the callback that is called with the reader and the writer.
    - ``limit``: the limit of the reader, in bytes.
    - ``close_timeout``: the close timeout in seconds; None means no timeout.
    - ``ssl``: the TLS context; None means no TLS.
    - ``tls``: keyword arguments for TLSTransport; empty without TLS.
    """

    client_connected_cb: ClientConnected
    limit: int
    close_timeout: float | None
    ssl: ssl_module.SSLContext | None
    tls: dict[str, Any]


class ServerEvents(Protocol):
    """The methods of a server that a ServerConnection calls.

    ``_handlers``: the tasks that run client_connected_cb and have not ended.
    """

    _handlers: set[asyncio.Future[Any]]

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that runs the server."""

    def _connection_ended(self, client: ServerConnection) -> None:
        """Remove ``client``, whose connection has ended or could not be set up, from the server's connections."""

    def _handshake_failed(self, error: OSError, address: Any, listener: str) -> None:
        """Count a failed TLS handshake with the peer at ``address``. Log it, unless HandshakeLog suppresses it."""


class _Reference(weakref.ref[Any]):
    """A weak reference whose callback _gone() lets the loop call freed() of ``entry``.

    A bound method as the callback would take more memory.
    """

    __slots__ = ("entry",)

    entry: ServerConnection


def _gone(reference: Any) -> None:
    entry = reference.entry
    server = entry._server
    if server is not None:
        # Not immediately: the garbage collector clears weak references before it runs finalizers, and a finalizer may
        # drop the streams of the connection, whose UnclosedGuard then calls watch_again().
        run_after_collection(server.get_loop(), entry.freed, reference)


class _LoopSetup:
    """What a ServerConnection stores if a task creates its transport, on a loop's own transports.

    - ``task``: that task, until it ends.
    - ``socket``: the socket, until the task starts. If the task is cancelled before that, the entry closes the socket.
    - ``reference``: a weak reference to the socket, after the task has started.
    """

    __slots__ = ("reference", "socket", "task")

    def __init__(self, sock: socket.socket) -> None:
        self.task: asyncio.Task[None] | None = None
        self.socket: socket.socket | None = sock
        self.reference: _Reference | None = None


class ServerConnection:
    """A server's entry for one accepted connection. The server has a set of these entries.

    ``address``: the address of the peer. The argument ``listener`` is the name of the listening socket, for messages.

    On the engine, and without TLS on asyncio's selector loops, start() creates the transport itself. Otherwise, a task
    creates it. The entry refers to the task until its end, and to the socket until the first step of the task. Its
    references to the Connection, to the transport and later to the socket are weak, so that the entry does not keep the
    connection alive.

    The entry removes itself from the server when the connection has ended, or could not be set up. If a program sets
    another protocol on the transport, the Connection does not get ``connection_lost()``. Therefore the entry also
    removes itself when an object is freed: the socket if a task created the transport, otherwise the transport. For
    the engine's transport without TLS, this starts only with a call of watch(): when the program has set another
    protocol, or has taken the socket over.
    """

    __slots__ = (
        "_connection",
        "_ended_by_server",
        "_listener",
        "_server",
        "_setup",
        "_transport",
        "address",
    )

    def __init__(self, server: ServerEvents, address: Any, listener: str) -> None:
        # None once the loop was closed before the connection ended.
        self._server: ServerEvents | None = server
        self.address = address
        self._listener = listener
        # The method that the server has called.
        self._ended_by_server: Literal["", "close", "abort"] = ""
        self._transport: weakref.ref[Any] | None = None
        # Not for the engine's transport without TLS, until watch() is called: it leads to the Connection.
        self._connection: weakref.ref[Connection] | None = None
        self._setup: _LoopSetup | None = None

    def start(
        self, engine: Any, loop: asyncio.AbstractEventLoop, sock: Any, options: ConnectionOptions, at_once: bool
    ) -> None:
        """Start to create the transport of ``sock``. The TLS handshake, if any, and client_connected_cb follow.

        ``engine``: see engine_of; ``at_once``: see makes_accepted_now. If the method raises, the caller closes the
        socket and calls setup_abandoned(). A failure after the return is reported to the server or the loop's exception
        handler, and closes the socket.
        """
        tls: dict[str, Any] = {}
        if options.ssl is not None:
            tls = {"on_failure": functools.partial(self._handshake_failed, loop), **options.tls}
        if engine is not None or (at_once and options.ssl is None):
            protocol = self._make_protocol(loop, options)
            if engine is None:
                self._connection = weakref.ref(protocol._sluiceway)
                transport = make_accepted_now(loop, sock, protocol, self.address)
                self.watch(transport, protocol._sluiceway)
            elif options.ssl is None:
                transport = engine.attach(loop, sock, protocol, self.address)
                if self._transport is None:
                    # Without a callback, this is the weak reference that the engine has up to Python 3.14: it takes no
                    # memory.
                    self._transport = weakref.ref(transport)
            else:
                transport = make_accepted_tls_now(engine, loop, sock, protocol, self.address, options.ssl, **tls)
                self.watch(transport, protocol._sluiceway)
        else:
            setup = self._setup = _LoopSetup(sock)
            task = create_named_task(loop, self._wrap(setup, loop, sock, options, tls), "sluiceway accepted connection")
            if not task.done():
                setup.task = task
                task.add_done_callback(self._wrapped)
        if self._ended_by_server:
            # A signal handler has called close() or abort() before the transport or the task was known.
            self._end(self._ended_by_server)

    def _make_protocol(self, loop: asyncio.AbstractEventLoop, options: ConnectionOptions) -> StreamReaderProtocol:
        protocol = StreamReaderProtocol(StreamReader(options.limit, loop), options.client_connected_cb, loop)
        connection = protocol._sluiceway
        connection.close_timeout = options.close_timeout
        connection.owner = self
        return protocol

    async def _wrap(
        self,
        setup: _LoopSetup,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        options: ConnectionOptions,
        tls: dict[str, Any],
    ) -> None:
        setup.socket = None
        protocol: StreamReaderProtocol | None = None
        try:
            protocol = self._make_protocol(loop, options)
            # Some loops have transports without weak references. Every loop frees the socket with its transport.
            setup.reference = _Reference(sock, _gone)
            setup.reference.entry = self
            self._connection = weakref.ref(protocol._sluiceway)
            transport = await make_accepted(loop, sock, protocol, ssl=options.ssl, **tls)
        except BaseException as error:
            if protocol is None or protocol._sluiceway.transport is None:
                sock.close()
                self.connection_ended()
            if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
                raise
            report_setup_error(loop, error, self.address, self._listener)
            # Breaks a reference cycle: frames of the loop in the traceback refer to the error.
            error.__traceback__ = None
            return
        with contextlib.suppress(TypeError):
            self._transport = weakref.ref(transport)

    def _wrapped(self, task: asyncio.Task[None]) -> None:
        setup = self._setup
        if setup is None:
            # The connection has ended.
            return
        setup.task = None
        if setup.socket is not None:
            # The task was cancelled before its first step.
            setup.socket.close()
            setup.socket = None
            self.connection_ended()

    def _handshake_failed(self, loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
        self.connection_ended()
        if self._ended_by_server or self._server is None or loop.is_closed():
            return
        if not isinstance(error, OSError):
            # Not caused by the peer.
            report_setup_error(loop, error, self.address, self._listener)
            return
        self._server._handshake_failed(error, self.address, self._listener)
        if loop.get_debug():
            # asyncio also passes failed handshakes to the exception handler in debug mode only.
            name_handshake(error, None, describe_address(self.address), hint_at_reset=False)
            report_setup_error(loop, error, self.address, self._listener)

    # -- the connection's owner ---------------------------------------------------------------------------------------

    def connection_ended(self, connection: Connection | None = None) -> None:
        """Remove this entry from the server, because the transport has ended or could not be created.

        ``connection`` is not used: an entry has one connection.
        """
        # Drops the weak references to which this object refers, and which refer to this object.
        self._transport = self._connection = self._setup = None
        if self._server is not None:
            self._server._connection_ended(self)

    def watch(self, transport: Any, connection: Connection) -> None:
        """Remove this entry from the server when ``transport`` is freed.

        From now on the protocol of ``transport`` need not lead to ``connection``: start_tls() replaces the protocol.
        """
        self._connection = weakref.ref(connection)
        reference = self._transport = _Reference(transport, _gone)
        reference.entry = self

    def watch_again(self, transport: Any, connection: Connection) -> None:
        """Refer to ``transport`` and ``connection`` again if the garbage collector has cleared the weak references.

        Called by a finalizer, before ``connection`` closes. Without this call, the server would wait no longer for the
        end of the close.
        """
        setup = self._setup
        reference = self._transport if setup is None else setup.reference
        if self._server is None or (reference is not None and reference() is not None):
            return
        self.watch(transport, connection)
        self._setup = None

    def freed(self, reference: _Reference) -> None:
        """Remove this entry from the server if it still has ``reference``, whose object was freed."""
        setup = self._setup
        if reference is self._transport or (setup is not None and reference is setup.reference):
            self.connection_ended()

    def setup_abandoned(self) -> None:
        """Called if start() has raised. Remove this entry from the server.

        A later connection_made() of the protocol aborts the transport.
        """
        connection = self._connection() if self._connection is not None else None
        if connection is not None:
            # The loop may have a transport of the socket, and call connection_made().
            connection.mark_lost(None)
        self.connection_ended()

    def setup_failed(self, connection: Connection, error: BaseException) -> None:
        """Report to the loop's exception handler that ``error`` prevented the call of client_connected_cb."""
        report_setup_error(connection.loop, error, self.address, self._listener)

    def handshake_failed(self, error: OSError) -> None:
        """Count and log a failed handshake of ``start_tls()``, unless the server has closed the connection."""
        if not self._ended_by_server and self._server is not None:
            self._server._handshake_failed(error, self.address, self._listener)

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """Add ``task``, which runs client_connected_cb, to the handlers of the server."""
        if self._server is not None:
            self._server._handlers.add(task)

    def handler_ended(self, task: asyncio.Future[Any]) -> None:
        """Remove ``task`` from the handlers of the server, because it has ended."""
        if self._server is not None:
            self._server._handlers.discard(task)

    # -- called by the server -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection after its buffered data has been sent.

        If the transport does not exist yet, or its TLS handshake is not complete, the connection is aborted.
        """
        self._end("close")

    def abort(self) -> None:
        """Close the connection immediately, and discard its unsent data."""
        self._end("abort")

    def loop_closed(self) -> str | None:
        """Called when the loop was closed. Call close_after_loop() for the transport, and return its result."""
        self._server = None
        transport = self._transport() if self._transport is not None else None
        return None if transport is None else close_after_loop(transport)

    def _end(self, method: Literal["close", "abort"]) -> None:
        transport = self._transport() if self._transport is not None else None
        setup = self._setup
        protocol = None if transport is None else transport.get_protocol()
        if self._connection is not None:
            connection = self._connection()
        else:
            connection = protocol._sluiceway if isinstance(protocol, StreamReaderProtocol) else None
        self._ended_by_server = method
        if transport is not None and protocol is None:
            # It has ended under another protocol, which the program has set, and the program keeps it.
            self.connection_ended()
            return
        # The connection may have a transport and a running handler before the task that created both continues.
        if connection is not None and connection.transport is not None:
            if method == "abort":
                connection.abort()
            else:
                connection.close()
            return
        if connection is not None:
            # The loop may call connection_made() before it ends the transport or the task. The handler must not start.
            connection.mark_lost(None)
        if transport is not None:
            if isinstance(protocol, LoopAdapter):
                protocol.release()
                self.connection_ended()
            transport.abort() if method == "abort" else transport.close()
        elif setup is not None and setup.task is not None:
            setup.task.cancel()
