"""Connections on the engine with a blocking peer, for tests that decide what is ready at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import sluiceway
from support.peer import Peers, Wire


class End:
    """One connection: the streams here, the wire over there."""

    def __init__(self, reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter, wire: Wire) -> None:
        self.reader = reader
        self.writer = writer
        self.wire = wire

    @property
    def transport(self) -> Any:
        return self.writer.transport

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def opened(peer: Peers, count: int = 1, **options: Any) -> list[End]:
    """Return ``count`` open connections to peers; ``options`` go to open_connection."""
    listener = peer.listen(backlog=max(100, count))
    ends = []
    for _ in range(count):
        reader, writer = await sluiceway.open_connection(*listener.address, **options)
        ends.append(End(reader, writer, listener.accept()))
    return ends


async def stepped(end: End, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await ``step()`` in a step that the poller makes: right after a read that had to wait. Return its result."""

    async def handle() -> Any:
        await end.reader.readexactly(1)
        return await step()

    task = asyncio.create_task(handle())
    while end.reader._waiter is None:
        await asyncio.sleep(0)
    end.wire.send(b"!")
    return await task


async def waiting(*ends: End) -> None:
    """Return when a read waits on each of ``ends``."""
    while any(end.reader._waiter is None for end in ends):
        await asyncio.sleep(0)


async def closed(ends: list[End]) -> None:
    """Close all, however they are."""
    for end in ends:
        end.writer.transport.abort()
        end.writer.close()
    for end in ends:
        try:
            await end.writer.wait_closed()
        except OSError:
            continue
