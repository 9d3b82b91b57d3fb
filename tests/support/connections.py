"""Connections of the streams under test, and how they are closed."""

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator
from typing import Any

StreamPair = tuple[Any, Any]


def server_address(server: Any) -> tuple[str, int]:
    """Return host and port of a server's first socket, as ``open_connection(*address)`` takes them."""
    host, port = server.sockets[0].getsockname()[:2]
    return host, port


@contextlib.asynccontextmanager
async def connected_pair(
    streams: types.ModuleType,
    *,
    server: dict[str, Any] | None = None,
    client: dict[str, Any] | None = None,
) -> AsyncIterator[tuple[StreamPair, StreamPair]]:
    """Yield ((reader, writer) of the client, (reader, writer) of the server) over TCP, and close both at the end.

    ``server`` and ``client`` are further keywords for start_server and open_connection.
    """
    accepted: asyncio.Future[StreamPair] = asyncio.get_running_loop().create_future()
    may_end = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        accepted.set_result((reader, writer))
        await may_end.wait()

    listener = await streams.start_server(handle, "127.0.0.1", 0, **(server or {}))
    try:
        client_streams = await streams.open_connection(*server_address(listener), **(client or {}))
        try:
            server_streams = await accepted
            try:
                yield client_streams, server_streams
            finally:
                may_end.set()
                await close_discarding(server_streams[1])
        finally:
            await close_discarding(client_streams[1])
    finally:
        may_end.set()
        listener.close()
        await listener.wait_closed()


@contextlib.asynccontextmanager
async def connect_with_protocol(
    streams: types.ModuleType,
    address: Any,
    *,
    reader: Any = None,
    protocol_class: Any = None,
    writer_class: Any = None,
    **options: Any,
) -> AsyncIterator[tuple[Any, Any, Any]]:
    """Connect by ``loop.create_connection``, as libraries do; yield (reader, writer, protocol), closed at the end.

    ``options`` are create_connection's.
    """
    loop = asyncio.get_running_loop()
    reader = reader or streams.StreamReader(loop=loop)
    protocol = (protocol_class or streams.StreamReaderProtocol)(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *address, **options)
    writer = (writer_class or streams.StreamWriter)(transport, protocol, reader, loop)
    try:
        yield reader, writer, protocol
    finally:
        # asyncio's TLS transports must not be called again after they are closed.
        if not writer.is_closing():
            await close_discarding(writer)
        else:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def close_discarding(writer: Any) -> None:
    """Close and wait; pending data is discarded, because the peer may never read it."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
