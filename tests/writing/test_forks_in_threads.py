"""A fork in another thread than the loop's, while writes are corked: the child does not send them as well."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import open_connections, run_in_poller_step
from support.certificates import Certificates
from support.child_processes import IGNORE_THREADS, run_child
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import wait_until

# In debug mode nothing is corked, and abort() raises in another thread.
pytestmark = [IGNORE_THREADS, pytest.mark.loops("asyncio", "uvloop", "eager")]


def close_copy(writer: Any) -> None:
    """Close the descriptor of the child."""
    os.close(writer.get_extra_info("socket").fileno())


def abort(writer: Any) -> None:
    writer.transport.abort()


def fork_in_thread(child: Callable[[], object]) -> int:
    """Run ``child()`` in a process that another thread forks. Return its exit status."""
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(run_child(child)))
    thread.start()
    thread.join()
    return statuses[0]


@pytest.mark.parametrize("use", [close_copy, abort])
async def test_child_sends_no_corked_write_of_its_parent(raw_peers: RawPeers, use: Callable[[Any], None]):
    first, second = await open_connections(raw_peers, 2)

    async def step():
        for connection in (first, second):
            connection.writer.write(b"once, ")

        def child() -> None:
            use(first.writer)
            use(second.writer)

        assert fork_in_thread(child) == 0
        first.writer.write(b"after")
        second.writer.write(b"after")

    await run_in_poller_step(first, step)
    for connection in (first, second):
        assert connection.peer.receive(11) == b"once, after"
        connection.writer.transport.abort()


async def test_child_encrypts_no_corked_write_of_its_parent(tls: Certificates):
    readers: list[sluiceway.StreamReader] = []

    async def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        readers.append(reader)
        await reader.readexactly(1)
        writer.write(b"once, ")
        assert fork_in_thread(lambda: abort(writer)) == 0
        writer.write(b"after")
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server), ssl=tls.client_context)
        await wait_until(lambda: bool(readers) and readers[0]._waiter is not None)
        writer.write(b"!")
        assert await reader.read() == b"once, after"
        writer.close()
        await writer.wait_closed()
        # The child has changed the epoll set of an asyncio loop, which may report nothing more to the server.
        server.abort_clients()
