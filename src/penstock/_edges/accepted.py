"""One accepted connection in its server's books: from the socket to the end of its transport."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._streams.connection import Connection
from .._streams.peers import describe_address, name_peer
from .._streams.protocol import ClientConnected, StreamReaderProtocol
from .._streams.reader import StreamReader
from .._transports.attaching import attach_accepted
from .._transports.bounded import BoundedReceiver

if TYPE_CHECKING:
    from .server import Server


@dataclass(frozen=True, slots=True)
class Adoption:
    """What becomes of an accepted socket."""

    client_connected_cb: ClientConnected
    limit: int
    close_timeout: float | None
    ssl: ssl_module.SSLContext | None
    ssl_handshake_timeout: float | None
    ssl_shutdown_timeout: float | None


class Accepted:
    """The entry of a connection; it holds neither the connection nor its transport once that is made.

    A program may give the transport another protocol (an upgrade of its own), and then nobody tells when the
    connection ends; the end of the transport object does.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._attaching: asyncio.Task[None] | None = None
        self._transport: weakref.ref[Any] | None = None
        self._connection: weakref.ref[Connection] | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, adoption: Adoption) -> None:
        """Make the transport, with the TLS handshake where there is one, and start the handler."""
        task = loop.create_task(self._attach(loop, sock, adoption), name="penstock accepted connection")
        if not task.done():
            self._attaching = task

    async def _attach(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, adoption: Adoption) -> None:
        reader = StreamReader(adoption.limit, loop)
        protocol = StreamReaderProtocol(reader, adoption.client_connected_cb, loop)
        connection = protocol._connection
        connection.close_timeout = adoption.close_timeout
        connection.owner = self
        self._connection = weakref.ref(connection)
        del reader
        peer = ""
        try:
            if loop.get_debug() or adoption.ssl is not None:
                peer = describe_address(sock.getpeername())
            transport = await attach_accepted(
                loop,
                sock,
                BoundedReceiver(protocol, loop),
                ssl=adoption.ssl,
                ssl_handshake_timeout=adoption.ssl_handshake_timeout,
                ssl_shutdown_timeout=adoption.ssl_shutdown_timeout,
            )
        except BaseException as error:
            self._server._ended(self)
            if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
                raise
            # A peer that fails its handshake is the peer's trouble: told to those who debug, as in asyncio.
            if loop.get_debug():
                name_peer(error, f"TLS handshake with {peer}" if adoption.ssl else peer)
                loop.call_exception_handler(
                    {"message": "Error on transport creation for incoming connection", "exception": error}
                )
            return
        finally:
            self._attaching = None
        if not connection.lost:
            try:
                self._transport = weakref.ref(transport, self._transport_gone)
            except TypeError:
                # uvloop's TLS transports know no weak references.
                self._transport = None

    def _transport_gone(self, _: weakref.ref[Any]) -> None:
        self._server._ended(self)

    def connection_ended(self, connection: Connection) -> None:
        """Called by the connection when its transport is gone."""
        self._server._ended(self)

    def handler_started(self, task: asyncio.Future[Any]) -> None:
        """Called when the handler runs as a task."""
        self._server._handler_started(task)

    def close(self) -> None:
        """Close the connection as it is now; give up one that is still in its handshake."""
        self._end(aborting=False)

    def abort(self) -> None:
        """The same without sending what is buffered."""
        self._end(aborting=True)

    def _end(self, *, aborting: bool) -> None:
        if self._attaching is not None:
            self._attaching.cancel()
            return
        connection = self._connection() if self._connection is not None else None
        transport = self._transport() if self._transport is not None else None
        if connection is not None and connection.transport is not None:
            if aborting:
                connection.transport.abort()
            else:
                connection.close()
        elif transport is not None:
            transport.abort() if aborting else transport.close()
