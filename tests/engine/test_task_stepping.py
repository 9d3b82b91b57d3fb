"""What a task sees in a step that the poller makes at once, and wake-ups that meet each other: none is lost."""

import asyncio
import contextvars

import pytest

from engine.peer_connections import abort_connections, open_connections, run_in_poller_step, wait_for_readers
from support.raw_peer import RawPeers

marked: contextvars.ContextVar[str] = contextvars.ContextVar("marked", default="nobody's")


async def test_the_context_and_the_current_task_are_the_tasks(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 5)
    steps: list[int] = []

    async def handle(number):
        marked.set(f"of {number}")
        for turn in range(3):
            await connections[number].reader.readexactly(1)
            steps.append(number)
            assert marked.get() == (f"of {number}" if turn == 0 else f"of {number} in turn {turn - 1}")
            marked.set(f"of {number} in turn {turn}")
            assert asyncio.current_task() is tasks[number]
            assert asyncio.get_running_loop() is tasks[number].get_loop()

    tasks = [asyncio.create_task(handle(number)) for number in range(5)]
    for turn in range(3):
        await wait_for_readers(*connections)
        for connection in connections:
            connection.peer.send(b"x")
        while len(steps) < 5 * (turn + 1):
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert marked.get() == "nobody's"
    await abort_connections(connections)


async def test_a_context_that_two_tasks_share(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 2)
    context = contextvars.copy_context()

    async def handle(connection):
        return await connection.reader.readexactly(1), asyncio.current_task()

    tasks = [asyncio.create_task(handle(connection), context=context) for connection in connections]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"x")
    assert await asyncio.gather(*tasks) == [(b"x", task) for task in tasks]
    await abort_connections(connections)


async def test_feeding_another_reader_from_a_step(raw_peers: RawPeers):
    fed, feeding = await open_connections(raw_peers, 2)
    order = []

    async def read():
        order.append(await fed.reader.readexactly(5))

    reading = asyncio.create_task(read())
    await wait_for_readers(fed)

    async def feed():
        fed.reader.feed_data(b"by hand")
        order.append("the feeder goes on first")

    await run_in_poller_step(feeding, feed)
    await reading
    assert order == ["the feeder goes on first", b"by ha"]
    fed.peer.send(b" and by wire")
    assert await fed.reader.readexactly(14) == b"nd and by wire"
    await abort_connections([fed, feeding])


async def test_feeding_ones_own_reader_from_a_step(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def feed():
        connection.reader.feed_data(b"own")
        return await connection.reader.readexactly(3)

    assert await run_in_poller_step(connection, feed) == b"own"
    await connection.close()


@pytest.mark.parametrize("cancel_first", [False, True])
@pytest.mark.parametrize("by_wire", [False, True])
async def test_a_wake_up_and_a_cancel_in_one_turn(raw_peers: RawPeers, cancel_first: bool, by_wire: bool):
    [connection] = await open_connections(raw_peers)
    reading = asyncio.create_task(connection.reader.readexactly(4))
    await wait_for_readers(connection)
    if by_wire:
        connection.peer.send(b"data")
    if cancel_first:
        reading.cancel("enough")
    if not by_wire:
        connection.reader.feed_data(b"data")
    if not cancel_first:
        reading.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with asyncio.timeout(10):
        assert await connection.reader.readexactly(4) == b"data"
    await connection.close()


async def test_waits_follow_each_other_on_one_reader(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    for number in range(50):
        reading = asyncio.create_task(connection.reader.readexactly(4))
        await wait_for_readers(connection)
        if number % 3 == 0:
            connection.reader.feed_data(b"%04d" % number)
            if number % 2:
                reading.cancel()
        elif number % 3 == 1:
            reading.cancel()
            connection.peer.send(b"%04d" % number)
        else:
            connection.peer.send(b"%04d" % number)
        async with asyncio.timeout(10):
            try:
                data = await reading
            except asyncio.CancelledError:
                data = await connection.reader.readexactly(4)
        assert data == b"%04d" % number
    await connection.close()


async def test_one_object_is_awaited_in_all_waits(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    awaited = []
    for _ in range(3):
        reading = asyncio.create_task(connection.reader.readexactly(1))
        await wait_for_readers(connection)
        awaited.append(connection.reader._waiter)
        connection.peer.send(b"!")
        await reading
    assert awaited[0] is awaited[1] is awaited[2]
    await connection.close()


async def test_reads_under_the_loops_own_tools(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    read = connection.reader.readexactly
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(1), 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await read(1)
    shielded = asyncio.ensure_future(read(2))
    outer = asyncio.ensure_future(asyncio.shield(shielded))
    await wait_for_readers(connection)
    outer.cancel()
    connection.peer.send(b"ab")
    assert await shielded == b"ab"
    async with asyncio.TaskGroup() as group:
        first = group.create_task(read(1))
        await wait_for_readers(connection)
        connection.peer.send(b"c")
    assert first.result() == b"c"
    connection.peer.send(b"d")
    [second] = await asyncio.gather(asyncio.wait_for(read(1), 10))
    assert second == b"d"
    with pytest.raises(asyncio.CancelledError):
        await outer
    await connection.close()


async def test_a_step_that_raises_is_the_tasks_affair(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 10)

    async def handle(connection):
        await connection.reader.readexactly(1)
        raise LookupError("of the handler")

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"xy")
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, LookupError)
    for connection in connections:
        assert await connection.reader.readexactly(1) == b"y"
    await abort_connections(connections)
