"""Connections whose peer does not read, so that written data stays in the writer's transport.

``async with pending_writes(streams, raw_peers) as (reader, writer, peer)``: the writer has at least MIN_PENDING bytes
of PAYLOAD in its transport's buffer, and ``peer`` has read nothing. The block aborts the connection at its end.
"""

import asyncio
import contextlib
import random
import socket
import types
from collections.abc import AsyncIterator
from typing import Any

from support.connections import close_discarding
from support.raw_peer import RawPeer, RawPeers

# More than the kernel accepts for a peer that does not read: its send buffer grows to 4 MiB on Linux.
PAYLOAD = random.Random(2).randbytes(1 << 20) * 10

MIN_PENDING = 1 << 20


@contextlib.asynccontextmanager
async def non_reading_peer(
    streams: types.ModuleType, raw_peers: RawPeers, **client: Any
) -> AsyncIterator[tuple[Any, Any, RawPeer]]:
    """Yield (reader, writer, peer) of a connection, nothing written yet; the writer is aborted at the end."""
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address, **client)
    try:
        yield reader, writer, listener.accept()
    finally:
        await close_discarding(writer)


@contextlib.asynccontextmanager
async def pending_writes(
    streams: types.ModuleType, raw_peers: RawPeers, **client: Any
) -> AsyncIterator[tuple[Any, Any, RawPeer]]:
    """Yield (reader, writer, peer) with PAYLOAD written; the writer is aborted at the end."""
    async with non_reading_peer(streams, raw_peers, **client) as (reader, writer, peer):
        writer.write(PAYLOAD)
        assert writer.transport.get_write_buffer_size() >= MIN_PENDING, (
            "the kernel accepted more than this test expects"
        )
        yield reader, writer, peer


def shrink_kernel_buffers(writer: Any, peer: RawPeer) -> None:
    """Make the kernel's buffers small, before the first write, so that PAYLOAD takes many steps."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)


async def receive_until_progress(writer: Any, peer: RawPeer, received: bytearray) -> None:
    """Let the peer read until the kernel accepts more data from the writer. ``peer`` is non-blocking afterwards.

    A fixed number of bytes would not do: the kernel decides how much has to be read before it accepts more.
    """
    before = writer.transport.get_write_buffer_size()
    peer.sock.setblocking(False)
    while writer.transport.get_write_buffer_size() == before:
        with contextlib.suppress(BlockingIOError):
            received += peer.sock.recv(1 << 16)
        await asyncio.sleep(0)
