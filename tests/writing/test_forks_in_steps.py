"""A fork within a step: what parent and child write is sent once and in order."""

import asyncio
import os

from engine.peer_connections import open_connections, run_in_poller_step
from support.child_processes import IGNORE_THREADS, run_child
from support.raw_peer import RawPeers

pytestmark = IGNORE_THREADS


async def test_corked_write_before_a_fork_precedes_the_write_of_the_child(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    descriptor = connection.writer.get_extra_info("socket").fileno()

    async def step():
        connection.writer.write(b"parent, ")
        assert run_child(lambda: os.write(descriptor, b"child, ")) == 0
        connection.writer.write(b"parent")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(21) == b"parent, child, parent"
    await connection.close()


async def test_fork_in_another_loop_nested_in_the_step_sends_each_write_once(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    running = asyncio.get_running_loop()

    async def fork() -> int:
        return run_child(lambda: connection.writer.write(b"child "))

    async def step():
        connection.writer.write(b"before ")
        task = asyncio.current_task()
        # One task runs in a thread since Python 3.14, not in a loop.
        asyncio.tasks._leave_task(running, task)
        asyncio._set_running_loop(None)
        try:
            other = asyncio.new_event_loop()
            assert other.run_until_complete(fork()) == 0
            other.close()
        finally:
            asyncio._set_running_loop(running)
            asyncio.tasks._enter_task(running, task)
        connection.writer.write(b"after")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(18) == b"before child after"
    await connection.close()


async def test_write_of_a_child_that_exits_within_the_step_is_sent(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        assert run_child(lambda: connection.writer.write(b"child, ")) == 0
        connection.writer.write(b"parent")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(13) == b"child, parent"
    await connection.close()
