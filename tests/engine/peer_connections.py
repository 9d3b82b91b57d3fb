"""Connections on the engine to raw peers, for tests that decide which sockets are ready at the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.engine_choice import ENGINE
from support.raw_peer import RawPeer, RawPeers
from support.timeouts import PEER_TIMEOUT

# In debug mode the loop runs the tasks, one iteration later.
loops_with_immediate_wakeup = pytest.mark.loops("asyncio", "uvloop", "eager")
# On uvloop's own transports a round is one step.
loops_with_rounds = loops_with_immediate_wakeup if ENGINE == "epoll" else pytest.mark.loops("asyncio", "eager")


class PeerConnection:
    """Reader and writer of a connection, and the raw peer at its other end."""

    def __init__(self, reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter, peer: RawPeer) -> None:
        self.reader = reader
        self.writer = writer
        self.peer = peer

    @property
    def transport(self) -> Any:
        return self.writer.transport

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def open_connections(raw_peers: RawPeers, count: int = 1, **options: Any) -> list[PeerConnection]:
    """Return ``count`` open connections to peers; ``options`` go to open_connection."""
    listener = raw_peers.listen(backlog=max(100, count))
    connections = []
    for _ in range(count):
        reader, writer = await sluiceway.open_connection(*listener.address, **options)
        connections.append(PeerConnection(reader, writer, listener.accept()))
    return connections


def receive_available(peer: RawPeer, flags: int = 0) -> bytes:
    """Return what has arrived at the peer, without waiting; with MSG_PEEK it stays there.

    The kernel may deliver late, so this shows only that something was not sent. Where it was, use ``peer.receive()``.
    """
    peer.sock.setblocking(False)
    try:
        return peer.sock.recv(1 << 20, flags)
    except BlockingIOError:
        return b""
    finally:
        peer.sock.settimeout(PEER_TIMEOUT)


async def run_in_poller_step(connection: PeerConnection, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await ``step()`` while the poller steps the task, after a read that had to wait; return its result."""

    async def handle() -> Any:
        await connection.reader.readexactly(1)
        return await step()

    task = asyncio.create_task(handle())
    while connection.reader._waiter is None:
        await asyncio.sleep(0)
    connection.peer.send(b"!")
    return await task


async def wait_for_readers(*connections: PeerConnection) -> None:
    """Wait until a read is blocked on each of ``connections``."""
    while any(connection.reader._waiter is None for connection in connections):
        await asyncio.sleep(0)


async def abort_connections(connections: list[PeerConnection]) -> None:
    """Abort all connections, in any state, and wait until they are closed."""
    for connection in connections:
        connection.writer.transport.abort()
        connection.writer.close()
    for connection in connections:
        try:
            await connection.writer.wait_closed()
        except OSError:
            continue


def run_within(name: str, before: bool, action: Callable[[], object]) -> None:
    """Run ``action`` within the next call of the method ``name`` of the loop, before or after what the method does."""
    loop: Any = asyncio.get_running_loop()
    method = getattr(loop, name)

    def replacement(*arguments: Any) -> Any:
        delattr(loop, name)
        if before:
            action()
        result = method(*arguments)
        if not before:
            action()
        return result

    setattr(loop, name, replacement)
