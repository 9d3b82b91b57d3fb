"""Server: the object that start_server() returns. It listens, and has the set of its connections and handlers."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from asyncio import trsock
from collections.abc import Callable
from typing import Any, Self, cast

from .._log import logger
from .._net.accept import Listener
from .._transports.engine_choice import engine_for, engine_of
from .._transports.loop_close import warn_unclosed
from .._transports.make_transport import makes_accepted_now
from .handshake_log import HandshakeLog
from .server_connection import ConnectionOptions, ServerConnection


class Server(asyncio.Server):
    """A listening server. ``start_server`` and ``start_unix_server`` create servers.

    At the end of an ``async with server:`` block, ``close()`` is called, and ``wait_closed()`` is awaited without a
    limit.

    Source: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: list[socket.socket],
        options: ConnectionOptions,
        *,
        backlog: int,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._options = options
        self._listeners: list[Listener] | None = [Listener(loop, sock, backlog) for sock in sockets]
        self._listened_on = ""
        # True until the first close() has run to its end, which an exception of a signal handler may prevent.
        self._must_close = True
        # The listeners of a server that is being closed.
        self._closing_listeners: list[Listener] = []
        self._on_close = on_close
        # Under install(), both have the values with which the Server behaves as asyncio's.
        self._waits_for_connections = self._closes_clients = True
        self._serving = False
        self._serving_forever: asyncio.Future[None] | None = None
        # None once the server is closed and has no connection left, as in asyncio.
        self._waiters: list[asyncio.Future[None]] | None = []
        self._connections: set[ServerConnection] = set()
        self._handlers: set[asyncio.Future[Any]] = set()
        self._attached = 0
        self._handshakes = HandshakeLog(loop)
        # Each connection runs in its own copy of this context (contract S14).
        self._context = contextvars.copy_context()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that runs the server."""
        return self._loop

    def is_serving(self) -> bool:
        """Return True from the time when the server listens on all its sockets until close().

        A failed accept() does not change the result. After a failed listen() the result is False, and in asyncio True.
        """
        return self._serving

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, as a tuple of asyncio's TransportSocket objects, which have no accept() or close().

        After close(), an empty tuple.
        """
        if self._listeners is None:
            return ()
        # TransportSocket does not derive from socket; typeshed declares socket here as well.
        return cast("tuple[socket.socket, ...]", tuple(trsock.TransportSocket(one.socket) for one in self._listeners))

    @property
    def _sockets(self) -> list[socket.socket] | None:
        return None if self._listeners is None else [listener.socket for listener in self._listeners]

    @property
    def handlers(self) -> frozenset[asyncio.Future[Any]]:
        """The tasks that run client_connected_cb and have not ended, even if their connection has ended."""
        return frozenset(self._handlers)

    @property
    def failed_handshakes(self) -> int:
        """The number of failed TLS handshakes, also those of start_tls().

        A handshake that exceeds ssl_handshake_timeout counts. A handshake does not count if it is ended by
        close_clients(), abort_clients(), close() of the writer, aclose() of the Stream, a cancellation of start_tls(),
        or the ``timeout=`` of a Stream's start_tls(). A start_tls() that is ended by abort() of the Stream, close() or
        abort() of the transport, or the idle timeout of a Stream counts.
        """
        return self._handshakes.failures

    async def start_serving(self) -> None:
        """Start to accept connections. If the server accepts connections already, do nothing.

        If the call is cancelled after it has begun, the server accepts connections.

        Raises:
            RuntimeError: the server is closed.
            OSError: the system refuses to listen on a socket. A second call tries again.
        """
        self._start_serving()
        await asyncio.sleep(0)

    def _start_serving(self) -> None:
        if self._serving:
            return
        for listener in self._open_listeners():
            listener.start(Acceptor(self))
        self._serving = True

    def _open_listeners(self) -> list[Listener]:
        if self._listeners is None:
            raise RuntimeError(f"server {self!r} is closed; it listened on {self._listened_on}")
        return self._listeners

    async def serve_forever(self) -> None:
        """Accept connections until the call is cancelled or ``close()`` is called.

        In both cases, the server and its connections are closed, as by ``close()`` and ``close_clients()``. The call
        waits for ``wait_closed()``, and then raises CancelledError. A further cancellation ends this wait.

        Under ``install()``, servers of ``asyncio.start_server`` and ``asyncio.start_unix_server`` do what asyncio's do:
        on CPython 3.12 and earlier, on the first releases of 3.13, and on uvloop, the connections stay open.

        Raises:
            RuntimeError: the server is closed, or another task is in serve_forever().
            OSError: the system refuses to listen on a socket. A second call tries again.
            asyncio.CancelledError: the call was cancelled, or the server was closed during the call.
        """
        if self._serving_forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        self._open_listeners()
        self._start_serving()
        self._serving_forever = self._loop.create_future()
        try:
            await self._serving_forever
        except asyncio.CancelledError:
            try:
                self.close()
                if self._closes_clients:
                    self.close_clients()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._serving_forever = None

    def close(self) -> None:
        """Close the listening sockets. Accepted connections stay open. A second call has no effect.

        A running ``serve_forever()`` then closes the connections, and ends as if it were cancelled; see there.
        """
        if not self._must_close:
            return
        # If a signal handler raises an exception here, the next call does the rest.
        if self._listeners is not None:
            self._listened_on = ", ".join(listener.describe() for listener in self._listeners)
            self._closing_listeners, self._listeners = self._listeners, None
        self._serving = False
        for listener in self._closing_listeners:
            listener.stop()
        if self._serving_forever is not None and not self._serving_forever.done():
            self._serving_forever.cancel()
        self._maybe_closed()
        # After the waiters are woken: if the path of a Unix socket cannot be removed, the log may raise.
        if self._on_close is not None:
            self._on_close()
        self._closing_listeners = []
        self._must_close = False

    def close_clients(self) -> None:
        """Close every accepted connection after its buffered data has been sent. asyncio has this since Python 3.13.

        A connection whose TLS handshake is not complete is aborted.
        """
        for client in list(self._connections):
            client.close()

    def abort_clients(self) -> None:
        """Abort every accepted connection, and discard its unsent data. asyncio has this method since Python 3.13."""
        for client in list(self._connections):
            client.abort()

    async def wait_closed(self) -> None:
        """Wait until the server is closed and all its connections have ended. Handlers may still run; see ``handlers``.

        If close() was not called, the call waits for that too. It waits for all connections on every Python, as CPython
        3.12.1 and later do. Cancelling the call affects no other call of wait_closed(), and does not change the server.

        Under ``install()``, servers of ``asyncio.start_server`` and ``asyncio.start_unix_server`` wait as asyncio's do:
        before CPython 3.12, and on uvloop, a call after close() returns immediately.
        """
        if self._listeners is None:
            self.close()
        if self._waiters is None or (self._listeners is None and not self._waits_for_connections):
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if self._waiters is not None:
                self._waiters.remove(waiter)

    async def __aenter__(self) -> Self:
        """Return the server."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the server, then wait without a limit until all its connections have ended; see wait_closed()."""
        self.close()
        await self.wait_closed()

    def _maybe_closed(self) -> None:
        # Calls of wait_closed() made before close() wait for all connections on every interpreter.
        if self._listeners is not None or self._connections or self._attached:
            return
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        # Last: the method is called again if a signal handler has raised an exception in it.
        self._waiters = None

    def _connection_ended(self, client: ServerConnection) -> None:
        self._connections.discard(client)
        if self._listeners is None:
            self._maybe_closed()
            return
        for listener in self._listeners:
            if listener.paused is not None:
                listener.descriptor_freed()

    def _handshake_failed(self, error: OSError, address: Any, listener: str) -> None:
        line = self._handshakes.record(error, address, listener)
        if line is None:
            return
        try:
            logger.warning("%s", line)
        except Exception as problem:  # noqa: BLE001 - an OSError would count as that of the connection
            self._loop.call_exception_handler(
                {"message": "logging a failed TLS handshake raised an exception", "exception": problem}
            )

    def _loop_closed(self) -> None:
        """Called after the loop was closed. Close the connections on asyncio's own transports; see close_after_loop().

        Emit a ResourceWarning for each of them that the program had not closed. A closed loop does not report the end
        of a connection, so the references to all connections are dropped here.
        """
        unclosed = [client.loop_closed() for client in list(self._connections)]
        self._connections.clear()
        # Last: a filter may turn a warning into an exception.
        warn_unclosed(unclosed)

    # Private methods of asyncio, which programs call to make wait_closed() wait for their own objects.
    def _attach(self, transport: Any = None) -> None:
        self._attached += 1

    def _detach(self, transport: Any = None) -> None:
        self._attached -= 1
        self._maybe_closed()

    def _wakeup(self) -> None:
        self._maybe_closed()


class Acceptor:
    """The callback that a listener calls for each accepted socket.

    Only the loop refers to it, until the server or the loop is closed. So a server that the program has dropped
    continues to listen. When the loop is closed, the callback is freed, and calls Server._loop_closed().
    """

    __slots__ = ("__weakref__", "_at_once", "_engine", "_server")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._engine = engine_of(server._loop)
        self._at_once = makes_accepted_now(server._loop)

    def __call__(self, sock: socket.socket, address: Any, listener: str) -> None:
        server = self._server
        engine = self._engine
        client = None
        try:
            if engine is not None and type(sock) is not engine.AcceptedSocket:
                engine = engine_for(server._loop, sock)
            client = ServerConnection(server, address, listener)
            server._connections.add(client)
            server._context.copy().run(client.start, engine, server._loop, sock, server._options, self._at_once)
        except BaseException:
            sock.close()
            if client is not None:
                client.setup_abandoned()
            raise

    def __del__(self) -> None:
        if self._server._loop.is_closed():
            self._server._loop_closed()
