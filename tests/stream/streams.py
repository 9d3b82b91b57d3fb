"""Streams for the tests of this folder.

``async with stream_pair() as (ours, far)``: two connected streams. ``async with clogged_stream(raw_peers) as (stream,
peer)``: PAYLOAD is partly unsent, because the peer does not read.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import sluiceway
from support.connections import close_discarding, connected_pair
from support.non_reading_peer import PAYLOAD, pending_writes
from support.raw_peer import RawPeer, RawPeers

__all__ = ["PAYLOAD", "clogged_stream", "peer_stream", "stream_pair"]


@contextlib.asynccontextmanager
async def stream_pair(**options: Any) -> AsyncIterator[tuple[sluiceway.Stream, sluiceway.Stream]]:
    """Yield the client's and the server's stream. ``options`` are those of connected_pair()."""
    async with connected_pair(sluiceway, **options) as (client, server):
        yield sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)


@contextlib.asynccontextmanager
async def clogged_stream(raw_peers: RawPeers, **options: Any) -> AsyncIterator[tuple[sluiceway.Stream, RawPeer]]:
    """Yield (stream, peer). The stream is aborted at the end."""
    async with pending_writes(sluiceway, raw_peers, **options) as (reader, writer, peer):
        yield sluiceway.Stream.from_pair(reader, writer), peer


@contextlib.asynccontextmanager
async def peer_stream(raw_peers: RawPeers) -> AsyncIterator[tuple[sluiceway.Stream, RawPeer]]:
    """Yield (stream, peer). The stream is aborted at the end."""
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    try:
        yield sluiceway.Stream.from_pair(reader, writer), listener.accept()
    finally:
        await close_discarding(writer)
