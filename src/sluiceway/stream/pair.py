"""pair(): two Streams that are connected to each other."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import NamedTuple, Self

from .._asyncio.open_connection import make_protocol, wrap_socket
from .._implementation import core
from .._net.addresses import peer_of
from .opening import Opening
from .stream import Stream


class StreamPair(NamedTuple):
    """Two Streams: what one sends, the other one reads. A tuple, and an asynchronous context manager that closes both.

    Attributes:
        first (Stream): one end.
        second (Stream): the other end.
    """

    first: Stream
    second: Stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.first.__aexit__(exc_type, exc, traceback)
        finally:
            await self.second.__aexit__(exc_type, exc, traceback)


def pair(*, limit: float | None = None) -> Opening[StreamPair]:
    """Return two Streams that are connected by a pair of sockets: ``first, second = await sluiceway.pair()``.

    Args:
        limit (int, math.inf or None): the limit of each reader in bytes; see StreamReader.

    Returns:
        An object to ``await`` or to use with ``async with``, once. Both give a StreamPair. ``async with
        sluiceway.pair() as (first, second):`` closes both streams at the end.

    Raises:
        OSError: the process has no free descriptor. Raised by ``await``.
        ValueError, TypeError: ``limit`` is not a whole number greater than 0, ``math.inf`` or None.
        RuntimeError: the returned object was used a second time.

    If ``await`` is cancelled, both sockets are closed.

    Source: ``socket.socketpair``.
    """
    size = core.as_limit(limit, "pair")
    return Opening("pair()", lambda: _open_pair(size))


async def _open_pair(limit: int) -> StreamPair:
    one, other = socket.socketpair()
    try:
        first = await _open(one, limit)
    except BaseException:
        other.close()
        raise
    try:
        return StreamPair(first, await _open(other, limit))
    except BaseException:
        first.writer.transport.abort()
        raise


async def _open(sock: socket.socket, limit: int) -> Stream:
    loop = asyncio.get_running_loop()
    try:
        sock.setblocking(False)
        protocol, reader = make_protocol(loop, limit)
        halves = await wrap_socket(loop, sock, protocol, reader, peer_of(sock), ssl=None)
    except BaseException:
        sock.close()
        raise
    try:
        return Stream(*halves)
    except BaseException:
        # If only the socket were closed, an asyncio loop would still have its transport in a table, and refuse the next
        # socket with the same descriptor.
        halves[1].transport.abort()
        raise
