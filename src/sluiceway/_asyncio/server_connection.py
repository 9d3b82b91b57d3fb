"""One accepted connection in its server's books: from the socket to the end of its transport."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl as ssl_module
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from .._connection.connection import Connection
from .._net.addresses import describe_address, name_peer, peer_of
from .._transports.engine_choice import engine_of
from .._transports.loop_adapter import BoundedReceiver
from .._transports.wrap_socket import attach_accepted, attach_at_once
from .protocol import ClientConnected, StreamReaderProtocol
from .reader import StreamReader

if TYPE_CHECKING:
    from .server import Server


class Adoption(NamedTuple):
    """What becomes of an accepted socket."""

    client_connected_cb: ClientConnected
    limit: int
    close_timeout: float | None
    ssl: ssl_module.SSLContext | None
    tls: dict[str, Any]


class Accepted:
    """The entry of a connection; it holds neither the connection nor its transport once that is made.

    A program may give the transport another protocol (an upgrade of its own), and then nobody tells when the
    connection ends; the end of the transport object does.
    """

    __slots__ = (
        "_attaching",
        "_connection",
        "_given_up",
        "_server",
        "_socket",
        "_socket_gone",
        "_transport",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._attaching: asyncio.Task[None] | None = None
        # In its handshake, by us.
        self._given_up = False
        # Ours to close until it is given to a transport.
        self._socket: socket.socket | None = None
        self._transport: weakref.ref[Any] | None = None
        self._socket_gone: weakref.ref[socket.socket] | None = None
        self._connection: weakref.ref[Connection] | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Any, adoption: Adoption) -> None:
        """Make the transport, with the TLS handshake where there is one, and start the handler."""
        engine = engine_of(loop)
        if engine is not None:
            self._begin_at_once(engine, loop, sock, address, adoption)
            return
        self._socket = sock
        task = loop.create_task(self._attach(loop, sock, adoption), name="sluiceway accepted connection")
        if not task.done():
            self._attaching = task
            task.add_done_callback(self._attached)

    def _begin_at_once(
        self, engine: Any, loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Any, adoption: Adoption
    ) -> None:
        def failed(error: BaseException) -> None:
            self._server._ended(self)
            if not self._given_up:
                peer = describe_address(address)
                _report(loop, error, f"TLS handshake with {peer}" if adoption.ssl else peer)

        protocol = self._protocol(loop, adoption)
        tls = {} if adoption.ssl is None else {"ssl": adoption.ssl, "on_failure": failed, **adoption.tls}
        try:
            # On the engine nothing of a transport is left when the socket has ended.
            self._transport = weakref.ref(attach_at_once(engine, loop, sock, protocol, address, **tls), self._gone)
        except (OSError, ValueError) as error:
            failed(error)

    def _attached(self, task: asyncio.Task[None]) -> None:
        self._attaching = None
        if self._socket is not None:
            # Cancelled before its first step, the task never ran a line.
            self._socket.close()
            self._socket = None
            self._server._ended(self)

    def _protocol(self, loop: asyncio.AbstractEventLoop, adoption: Adoption) -> StreamReaderProtocol:
        protocol = StreamReaderProtocol(StreamReader(adoption.limit, loop), adoption.client_connected_cb, loop)
        connection = protocol._ps_connection
        connection.close_timeout = adoption.close_timeout
        connection.owner = self
        self._connection = weakref.ref(connection)
        return protocol

    async def _attach(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, adoption: Adoption) -> None:
        protocol = self._protocol(loop, adoption)
        connection = protocol._ps_connection
        # Every loop drops the socket when its transport is gone; not all of them let their transports be referred to.
        self._socket_gone = weakref.ref(sock, self._gone)
        self._socket = None
        peer = peer_of(sock) if loop.get_debug() else ""
        receiver = BoundedReceiver(protocol, loop)
        try:
            transport = await attach_accepted(
                loop,
                sock,
                receiver,
                ssl=adoption.ssl,
                **adoption.tls,
            )
        except BaseException as error:
            if connection.transport is None:
                self._server._ended(self)
            else:
                # uvloop, asked to give up between connection_made and the end of its own waiting, tells of no loss.
                loop.call_soon(loop.call_soon, receiver.connection_lost, None)
            if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
                raise
            _report(loop, error, f"TLS handshake with {peer}" if adoption.ssl else peer)
            # Through frames of the loop's the traceback leads to the error itself: no ring.
            error.__traceback__ = None
            return
        with contextlib.suppress(TypeError):
            self._transport = weakref.ref(transport)

    def _gone(self, _: object) -> None:
        self._server._ended(self)

    def connection_ended(self, connection: Connection) -> None:
        """Called by the connection when its transport is gone."""
        # Nothing is left to be told by the end of these objects.
        self._transport = self._socket_gone = None
        self._server._ended(self)

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """Called when the handler runs as a task."""
        self._server._handler_started(task)

    def handler_ended(self, task: asyncio.Future[Any]) -> None:
        """Called when the handler's task is done."""
        self._server._handler_ended(task)

    def close(self) -> None:
        """Close the connection as it is now; give up one that is still in its handshake."""
        self._end(aborting=False)

    def abort(self) -> None:
        """The same without sending what is buffered."""
        self._end(aborting=True)

    def _end(self, *, aborting: bool) -> None:
        connection = self._connection() if self._connection is not None else None
        transport = self._transport() if self._transport is not None else None
        # The transport may be made, and the handler at work, before the task that made it goes on.
        if connection is not None and connection.transport is not None:
            if aborting:
                connection.transport.abort()
            else:
                connection.close()
        elif transport is not None:
            self._given_up = True
            transport.abort() if aborting else transport.close()
        elif self._attaching is not None:
            self._attaching.cancel()


def _report(loop: asyncio.AbstractEventLoop, error: BaseException, peer: str) -> None:
    """A peer that fails its handshake is the peer's trouble: told to those who debug, as in asyncio."""
    if loop.get_debug():
        name_peer(error, peer)
        loop.call_exception_handler(
            {"message": "Error on transport creation for incoming connection", "exception": error}
        )
