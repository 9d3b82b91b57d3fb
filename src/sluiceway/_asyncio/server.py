"""Server: what start_server returns; listens, accepts, keeps account of its connections and handlers."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from asyncio import trsock
from collections.abc import Callable
from typing import Any, Self, cast

from .._log import logger
from .._net.accept import Listener
from .handshake_log import HandshakeLog
from .server_connection import ConnectionOptions, ServerConnection


class Server(asyncio.Server):
    """A listening server; made by ``start_server`` and ``start_unix_server``.

    ``async with server`` closes it at the end and waits as ``wait_closed`` does.

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
        waits_for_connections: bool = True,
    ) -> None:
        self._loop = loop
        self._options = options
        self._listeners: list[Listener] | None = [Listener(loop, sock, backlog) for sock in sockets]
        self._on_close = on_close
        self._waits_for_connections = waits_for_connections
        self._serving = False
        self._serving_forever: asyncio.Future[None] | None = None
        # None once the server is closed and nobody has to wait any more, as in asyncio.
        self._waiters: list[asyncio.Future[None]] | None = []
        self._connections: set[ServerConnection] = set()
        self._handlers: set[asyncio.Future[Any]] = set()
        self._attached = 0
        self._handshakes = HandshakeLog(loop)
        # Each connection runs in a copy of its own (contract S14).
        self._context = contextvars.copy_context()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the server runs on."""
        return self._loop

    def is_serving(self) -> bool:
        """True while new connections are accepted."""
        return self._serving

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, as socket-like objects to look at; none once the server is closed."""
        if self._listeners is None:
            return ()
        # TransportSocket derives from nothing; typeshed too calls it a socket here.
        return cast("tuple[socket.socket, ...]", tuple(trsock.TransportSocket(one.socket) for one in self._listeners))

    @property
    def _sockets(self) -> list[socket.socket] | None:
        return None if self._listeners is None else [listener.socket for listener in self._listeners]

    @property
    def handlers(self) -> frozenset[asyncio.Future[Any]]:
        """The tasks of handlers that are running now, those whose connection has ended included."""
        return frozenset(self._handlers)

    @property
    def failed_handshakes(self) -> int:
        """TLS handshakes of accepted connections that have failed; those that the server ended itself do not count."""
        return self._handshakes.failures

    async def start_serving(self) -> None:
        """Begin to accept, where ``start_serving=False`` was given. Harmless when it has begun.

        Raises:
            RuntimeError: the server is closed.
        """
        self._start_serving()
        await asyncio.sleep(0)

    def _start_serving(self) -> None:
        if self._serving:
            return
        if self._listeners is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._serving = True
        for listener in self._listeners:
            listener.start(Acceptor(self))

    async def serve_forever(self) -> None:
        """Accept until cancelled or closed. Cancelling it closes the server.

        Raises:
            RuntimeError: the server is closed, or another task is in serve_forever.
            asyncio.CancelledError: cancelled, or the server was closed meanwhile.
        """
        if self._serving_forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._listeners is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        self._serving_forever = self._loop.create_future()
        try:
            await self._serving_forever
        except asyncio.CancelledError:
            try:
                self.close()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._serving_forever = None

    def close(self) -> None:
        """Stop listening; what is connected stays connected. May be called again."""
        listeners = self._listeners
        if listeners is None:
            return
        self._listeners = None
        self._serving = False
        for listener in listeners:
            listener.stop()
        if self._on_close is not None:
            self._on_close()
        if self._serving_forever is not None and not self._serving_forever.done():
            self._serving_forever.cancel()
        self._maybe_closed()

    def close_clients(self) -> None:
        """Close every connection that was accepted; what is buffered is sent first (Python 3.13)."""
        for client in list(self._connections):
            client.close()

    def abort_clients(self) -> None:
        """Abort every connection that was accepted; what is buffered is lost (Python 3.13)."""
        for client in list(self._connections):
            client.abort()

    async def wait_closed(self) -> None:
        """Wait until the server is closed and every connection has ended, in either order, as in Python 3.13.

        Cancelling it cancels this wait alone.
        """
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
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()
        await self.wait_closed()

    def _maybe_closed(self) -> None:
        # Also where wait_closed() returns at once after close(), those who waited before it wait for all connections.
        if self._listeners is not None or self._connections or self._attached:
            return
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _connection_ended(self, client: ServerConnection) -> None:
        self._connections.discard(client)
        self._maybe_closed()

    def _handshake_failed(self, error: OSError, address: Any, listener: str) -> None:
        line = self._handshakes.record(error, address, listener)
        if line is not None:
            logger.warning("%s", line)

    def _loop_closed(self) -> None:
        """Forget the connections that were left open: they refer to this, and nothing reports their end any more."""
        for client in self._connections:
            client.detach()
        self._connections.clear()

    def _handler_started(self, task: asyncio.Future[Any]) -> None:
        self._handlers.add(task)

    def _handler_ended(self, task: asyncio.Future[Any]) -> None:
        self._handlers.discard(task)

    # What asyncio's transports call, and programs that have the server wait for something of theirs.
    def _attach(self, transport: Any = None) -> None:
        self._attached += 1

    def _detach(self, transport: Any = None) -> None:
        self._attached -= 1
        self._maybe_closed()

    def _wakeup(self) -> None:
        self._maybe_closed()


class Acceptor:
    """What the loop holds of a server while it accepts; it ends when the server is closed, or the loop."""

    __slots__ = ("_server",)

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(self, sock: socket.socket, address: Any, listener: str) -> None:
        server = self._server
        client = ServerConnection(server, address, listener)
        server._connections.add(client)
        try:
            server._context.copy().run(client.start, server._loop, sock, server._options)
        except BaseException:
            server._connection_ended(client)
            raise

    def __del__(self) -> None:
        if self._server._loop.is_closed():
            self._server._loop_closed()
