"""Connections whose peer does not read, so that what is written stays with the writer.

``async with backlogged(streams, peer) as (reader, writer, wire)``: the writer has at least ``LEAST`` bytes of
``PAYLOAD`` in its transport's buffer; ``wire`` is the peer's end, which has read nothing. Ended by an abort.
"""

import contextlib
import random
import types
from collections.abc import AsyncIterator
from typing import Any

from support.peer import Peers, Wire

# More than the kernel takes for a peer that does not read: its send buffer grows to 4 MiB on Linux.
PAYLOAD = random.Random(2).randbytes(1 << 20) * 10

LEAST = 1 << 20


@contextlib.asynccontextmanager
async def unread(streams: types.ModuleType, peer: Peers, **client: Any) -> AsyncIterator[tuple[Any, Any, Wire]]:
    """Yield (reader, writer, wire) of a connection, nothing written yet; the writer is aborted at the end."""
    listener = peer.listen()
    reader, writer = await streams.open_connection(*listener.address, **client)
    try:
        yield reader, writer, listener.accept()
    finally:
        await aborted(writer)


@contextlib.asynccontextmanager
async def backlogged(streams: types.ModuleType, peer: Peers, **client: Any) -> AsyncIterator[tuple[Any, Any, Wire]]:
    """Yield (reader, writer, wire) with PAYLOAD written; the writer is aborted at the end."""
    async with unread(streams, peer, **client) as (reader, writer, wire):
        writer.write(PAYLOAD)
        assert writer.transport.get_write_buffer_size() >= LEAST, "the kernel took more than this test is made for"
        yield reader, writer, wire


async def aborted(writer: Any) -> None:
    """End a connection whatever is still to be sent, and wait for it."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
