"""A fork within a step: what was written before has left, the child can close what it inherited, the parent goes on."""

import asyncio
import gc
import os

import pytest

import sluiceway
from engine.peer_connections import abort_connections, open_connections, run_in_poller_step, wait_for_readers
from support import file_descriptors
from support.raw_peer import RawPeers

# In a process with threads Python warns of every fork; the test's child does nothing that needs another thread.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def forked(child) -> int:
    """Run ``child()`` in a new process; return its exit status: 0 where nothing was raised."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        except BaseException as error:  # noqa: BLE001 - pytest must not see the child
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def test_what_was_written_before_leaves_before(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    descriptor = connection.writer.get_extra_info("socket").fileno()

    async def step():
        connection.writer.write(b"parent, ")
        assert forked(lambda: os.write(descriptor, b"child, ")) == 0
        connection.writer.write(b"parent")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(21) == b"parent, child, parent"
    await connection.close()


async def test_the_child_closes_what_it_inherited(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 3)

    def child():
        for connection in connections:
            connection.transport.pause_reading()
            connection.transport.resume_reading()
            connection.writer.close()
            connection.transport.abort()

    async def step():
        assert forked(child) == 0

    reading = asyncio.create_task(connections[1].reader.readexactly(5))
    await wait_for_readers(connections[1])
    await run_in_poller_step(connections[0], step)
    connections[1].peer.send(b"still")
    assert await reading == b"still"
    for connection in connections:
        connection.writer.write(b"here")
        assert connection.peer.receive(4) == b"here"
    await abort_connections(connections)


async def test_the_childs_poller_is_closed(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    def child():
        # The loop's own descriptor stays: it is the loop's affair.
        os._exit(10 + polls())

    def polls() -> int:
        return sum("eventpoll" in target for _, target in file_descriptors.open_descriptors())

    async def step():
        return polls(), forked(child)

    before, after = await run_in_poller_step(connection, step)
    assert after == 10 + before - 1
    await connection.close()


@pytest.mark.loops("asyncio")
async def test_the_child_runs_a_loop_of_its_own(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 2)
    listener = raw_peers.listen()

    async def talk():
        reader, writer = await sluiceway.open_connection(*listener.address)
        peer = listener.accept()
        reading = asyncio.create_task(reader.readexactly(5))
        await asyncio.sleep(0)
        peer.send(b"hello")
        assert await asyncio.wait_for(reading, 5) == b"hello"
        writer.close()
        await writer.wait_closed()

    def child():
        asyncio.events._set_running_loop(None)
        loop = asyncio.SelectorEventLoop()
        # The parent's task is still current in this thread, of the parent's loop.
        loop.run_until_complete(talk())
        loop.close()
        gc.collect()

    async def step():
        return forked(child)

    assert await run_in_poller_step(connections[0], step) == 0
    connections[1].peer.send(b"on")
    assert await connections[1].reader.readexactly(2) == b"on"
    await abort_connections(connections)
