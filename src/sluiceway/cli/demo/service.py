"""Serve one handler over TCP, over TLS and on a Unix socket, and connect to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import sluiceway
from sluiceway.cli.demo.certificate import Identity
from sluiceway.cli.demo.report import check

Connection = tuple[sluiceway.StreamReader, sluiceway.StreamWriter]
Handler = Callable[[sluiceway.StreamReader, sluiceway.StreamWriter], Awaitable[None]]

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a service.

    Attributes:
        label: "TCP", "TLS" or "Unix socket".
        url: the URL of the address for ``sluiceway headers``.
        connect: a function that opens a connection to the address.
    """

    label: str
    url: str
    connect: Callable[[], Awaitable[Connection]]


@asynccontextmanager
async def client(connecting: Awaitable[Connection]) -> AsyncIterator[Connection]:
    """Connect for a block. After the block, check that the server sends nothing more, and close the connection.

    For the check, the writing direction is ended. TLS cannot end one direction alone, so there is no check over TLS. If
    the block or the check raises, the connection is aborted, because the close of a server waits for open connections.
    """
    reader, writer = await connecting
    try:
        yield reader, writer
        if writer.can_write_eof():
            writer.write_eof()
            check(await reader.read() == b"", "end of file follows the last response")
    except BaseException:
        writer.transport.abort()
        raise
    writer.close()
    await writer.wait_closed()


@dataclass(slots=True)
class Resources:
    """The resources of one run: the directory of the Unix sockets, and the TLS contexts (``identity``)."""

    directory: Path
    identity: Identity


@dataclass(slots=True)
class Service:
    """A handler with a name, and the counts of its connections.

    Attributes:
        name: the name of the service and of its Unix socket.
        handler: the coroutine function that serves one connection. When it returns or raises, the connection is closed.
        opened: the number of accepted connections.
        finished: the number of handlers that have returned or raised.
    """

    name: str
    handler: Handler
    opened: int = 0
    finished: int = 0

    async def handle(self, reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        """Serve one connection; the ``client_connected_cb`` of ``sluiceway.start_server``."""
        self.opened += 1
        try:
            await self.handler(reader, writer)
        finally:
            writer.close()
            self.finished += 1
        await writer.wait_closed()

    @asynccontextmanager
    async def serve(self, resources: Resources) -> AsyncIterator[list[Address]]:
        """Serve on every kind of socket during the block, which gets the address of each server.

        Then close the servers, and wait until all connections have ended.
        """
        async with AsyncExitStack() as stack:
            addresses = []
            tcp = await stack.enter_async_context(await sluiceway.start_server(self.handle, LOOPBACK, 0))
            addresses.append(_tcp_address(_port(tcp)))
            tls = await stack.enter_async_context(
                await sluiceway.start_server(self.handle, LOOPBACK, 0, ssl=resources.identity.server)
            )
            addresses.append(_tls_address(_port(tls), resources.identity))
            if hasattr(socket, "AF_UNIX"):
                path = resources.directory / f"{self.name}.sock"
                await stack.enter_async_context(await sluiceway.start_unix_server(self.handle, path))
                addresses.append(_unix_address(path))
            yield addresses


def _port(server: sluiceway.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _tcp_address(port: int) -> Address:
    return Address("TCP", f"http://{LOOPBACK}:{port}/", lambda: sluiceway.open_connection(LOOPBACK, port))


def _tls_address(port: int, identity: Identity) -> Address:
    return Address(
        "TLS", f"https://{LOOPBACK}:{port}/", lambda: sluiceway.open_connection(LOOPBACK, port, ssl=identity.client)
    )


def _unix_address(path: Path) -> Address:
    return Address("Unix socket", f"unix:{path}", lambda: sluiceway.open_unix_connection(path))
