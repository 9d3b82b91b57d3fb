"""Connections of the streams under test to themselves."""

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator
from typing import Any

Ends = tuple[Any, Any]


def address_of(server: Any) -> tuple[str, int]:
    """Return host and port of a server's first socket, as ``open_connection(*address)`` takes them."""
    host, port = server.sockets[0].getsockname()[:2]
    return host, port


@contextlib.asynccontextmanager
async def connected(
    streams: types.ModuleType,
    *,
    server: dict[str, Any] | None = None,
    client: dict[str, Any] | None = None,
) -> AsyncIterator[tuple[Ends, Ends]]:
    """Yield ((reader, writer) of the client, (reader, writer) of the server) over TCP, and close both at the end.

    ``server`` and ``client`` are further keywords for start_server and open_connection.
    """
    accepted: asyncio.Future[Ends] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        accepted.set_result((reader, writer))
        await over.wait()

    listening = await streams.start_server(handle, "127.0.0.1", 0, **(server or {}))
    try:
        near = await streams.open_connection(*address_of(listening), **(client or {}))
        try:
            far = await accepted
            try:
                yield near, far
            finally:
                over.set()
                await _closed(far[1])
        finally:
            await _closed(near[1])
    finally:
        over.set()
        listening.close()
        await listening.wait_closed()


async def _closed(writer: Any) -> None:
    # A test may leave more than the other side will ever read; closing gracefully would wait for it.
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
