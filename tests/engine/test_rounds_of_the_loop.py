"""Rounds on an asyncio loop's own transports: the sockets that are ready in one iteration are served together."""

import asyncio
import socket
from typing import Any

import pytest

from engine.peer_connections import PeerConnection, abort_connections, open_connections, wait_for_readers
from engine.test_nested_loops import current_task_suspended, run_nested_until
from support import loops
from support.raw_peer import RawPeers

pytestmark = pytest.mark.loops("asyncio", "eager")


def received_bytes(connections: list[PeerConnection]) -> int:
    return sum(connection.reader._sluiceway.received for connection in connections)  # type: ignore[attr-defined]


async def test_all_ready_sockets_are_received_from_before_the_first_task_runs(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 5)
    seen: list[int] = []

    async def handle(connection: PeerConnection) -> None:
        await connection.reader.readexactly(1)
        seen.append(received_bytes(connections))

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"!")
    await asyncio.gather(*tasks)
    assert seen == [5] * 5
    await abort_connections(connections)


async def test_tasks_of_a_round_run_in_the_order_in_which_their_bytes_arrived(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 5)
    order: list[int] = []

    async def handle(number: int) -> None:
        await connections[number].reader.readexactly(1)
        order.append(number)

    tasks = [asyncio.create_task(handle(number)) for number in range(5)]
    await wait_for_readers(*connections)
    for number in (3, 1, 4, 0, 2):
        connections[number].peer.send(b"!")
    await asyncio.gather(*tasks)
    assert order == [3, 1, 4, 0, 2]
    await abort_connections(connections)


async def test_only_ready_socket_is_served_in_the_iteration_that_receives_its_bytes(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    loop: Any = asyncio.get_running_loop()
    done: list[bool] = []

    async def handle() -> None:
        while await connection.reader.read(1):
            connection.writer.write(b"answer")
            done.append(True)

    task = asyncio.create_task(handle())
    await wait_for_readers(connection)
    with current_task_suspended():
        for count in range(1, 4):
            connection.peer.send(b"!")
            loop._run_once()
            # No handle remains that would cause another iteration.
            assert (len(done), len(loop._ready)) == (count, 0)
            assert connection.peer.receive(6) == b"answer"
    task.cancel()
    await asyncio.wait([task])
    await connection.close()


@pytest.mark.parametrize("first", [0, 1, 2])
async def test_loop_nested_between_two_ready_sockets_wakes_both_readers(raw_peers: RawPeers, first: int):
    connections = await open_connections(raw_peers, 2)
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    tasks = [asyncio.create_task(connection.reader.readexactly(1)) for connection in connections]
    nested: list[bool] = []

    def run_nested() -> None:
        loop.remove_reader(ours)
        run_nested_until(lambda: all(task.done() for task in tasks))
        nested.append(True)

    with ours, theirs:
        loop.add_reader(ours, run_nested)
        await wait_for_readers(*connections)
        senders = [connection.peer.send for connection in connections]
        senders.insert(first, theirs.sendall)
        for send in senders:
            send(b"!")
        assert await asyncio.gather(*tasks) == [b"!", b"!"]
        while not nested:
            await asyncio.sleep(0)
    await abort_connections(connections)


async def test_loop_nested_in_a_task_runs_the_rest_of_a_round_that_begins_in_the_next_iteration(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 3)
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    nested: list[int] = []

    async def handle(number: int) -> bytes:
        data = await connections[number].reader.readexactly(1)
        if not nested:
            nested.append(number)
            with current_task_suspended():
                run_nested_until(lambda: sum(task.done() for task in tasks) == 2)
        return data

    with ours, theirs:
        ours.setblocking(False)
        loop.add_reader(ours, loop.remove_reader, ours)
        tasks = [asyncio.create_task(handle(number)) for number in range(3)]
        await wait_for_readers(*connections)
        for connection in connections:
            connection.peer.send(b"!")
        theirs.send(b"!")
        assert await asyncio.gather(*tasks) == [b"!", b"!", b"!"]
    await abort_connections(connections)


@pytest.mark.parametrize("last_handle", ["of a connection", "of another socket"])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_a_task_delays_the_other_tasks_of_its_round(
    loop_kind: str, raw_peers: RawPeers, interrupt: type[BaseException], last_handle: str
):
    ours, theirs = socket.socketpair()
    with ours, theirs, loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        connections = loop.run_until_complete(open_connections(raw_peers, 4))

        async def handle(number: int) -> bytes:
            received = await connections[number].reader.readexactly(1)
            if number == 1:
                raise interrupt
            connections[number].writer.write(received)
            return received

        tasks = [loop.create_task(handle(number)) for number in range(4)]
        loop.run_until_complete(wait_for_readers(*connections))
        for connection in connections:
            connection.peer.send(b"!")
        if last_handle == "of another socket":
            ours.setblocking(False)
            loop.add_reader(ours, loop.remove_reader, ours)
            theirs.send(b"!")
        with pytest.raises(interrupt):
            # Not the tasks: each would queue a callback when it ends.
            loop.run_until_complete(loop.create_future())
        loop.run_until_complete(asyncio.wait(tasks))
        assert [task.exception() is None and task.result() for task in tasks] == [b"!", False, b"!", b"!"]
        for number in (0, 2, 3):
            assert connections[number].peer.receive(1) == b"!"
        loop.run_until_complete(abort_connections(connections))
