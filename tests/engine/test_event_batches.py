"""Handlers that close, cancel or replace other connections of the same epoll batch: no event reaches a closed one."""

import asyncio

import pytest

from engine.peer_connections import abort_connections, loops_with_immediate_wakeup, open_connections, wait_for_readers
from support.raw_peer import RawPeers

COUNT = 30


@loops_with_immediate_wakeup
@pytest.mark.parametrize("end", ["close", "abort", "abort and close"])
async def test_handler_that_closes_all_others_of_the_batch_is_the_only_one_to_receive_data(
    raw_peers: RawPeers, end: str
):
    connections = await open_connections(raw_peers, COUNT)
    served = []

    async def handle(number):
        data = await connections[number].reader.read(100)
        if data:
            served.append(number)
            for other, connection in enumerate(connections):
                if other != number and not connection.writer.is_closing():
                    if "abort" in end:
                        connection.transport.abort()
                    if "close" in end:
                        connection.writer.close()
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"all ready at once")
    results = await asyncio.gather(*tasks)
    assert len(served) == 1
    assert results[served[0]] == b"all ready at once"
    assert [data for number, data in enumerate(results) if number != served[0]] == [b""] * (COUNT - 1)
    await abort_connections(connections)


async def test_handlers_that_close_their_own_connection_send_their_answers(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, COUNT)

    async def handle(connection):
        line = await connection.reader.readline()
        connection.writer.write(line)
        connection.writer.close()
        return line

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    for number, connection in enumerate(connections):
        connection.peer.send(b"%d\n" % number)
    assert await asyncio.gather(*tasks) == [b"%d\n" % number for number in range(COUNT)]
    for number, connection in enumerate(connections):
        await connection.writer.wait_closed()
        assert connection.peer.receive_rest() == b"%d\n" % number


async def test_handlers_that_abort_their_own_connection_all_complete(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, COUNT)

    async def handle(connection):
        await connection.reader.readexactly(1)
        connection.transport.abort()

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"x")
    await asyncio.gather(*tasks)
    await abort_connections(connections)


async def test_handlers_that_cancel_themselves_keep_their_connections_usable(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, COUNT)

    async def handle(connection):
        await connection.reader.readexactly(1)
        asyncio.current_task().cancel()
        await connection.reader.readexactly(1)

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"x")
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, asyncio.CancelledError)
    for connection in connections:
        connection.peer.send(b"y")
        assert await connection.reader.readexactly(1) == b"y"
    await abort_connections(connections)


async def test_connections_that_reuse_descriptors_of_the_same_batch_receive_their_own_data(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, COUNT)
    reached = []

    async def handle(number):
        data = await connections[number].reader.read(100)
        if data and not reached:
            reached.append(number)
            others = [connection for connection in connections if connection is not connections[number]]
            await abort_connections(others)
            new = await open_connections(raw_peers, COUNT)
            reads = [asyncio.create_task(connection.reader.readexactly(3)) for connection in new]
            await wait_for_readers(*new)
            for connection in new:
                connection.peer.send(b"new")
            assert await asyncio.gather(*reads) == [b"new"] * COUNT
            await abort_connections(new)
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"old")
    results = await asyncio.gather(*tasks)
    assert results[reached[0]] == b"old"
    assert set(results) <= {b"old", b""}
    await abort_connections(connections)


async def test_more_ready_connections_than_one_batch_are_all_served(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 300)
    tasks = [asyncio.create_task(connection.reader.readexactly(4)) for connection in connections]
    await wait_for_readers(*connections)
    for number, connection in enumerate(connections):
        connection.peer.send(b"%04d" % number)
    assert await asyncio.gather(*tasks) == [b"%04d" % number for number in range(300)]
    await abort_connections(connections)


async def test_reads_cancelled_by_another_of_the_batch_keep_their_data(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, COUNT)
    first = []

    async def handle(number):
        data = await connections[number].reader.readexactly(4)
        if not first:
            first.append(number)
            for task in tasks:
                if task is not asyncio.current_task():
                    task.cancel()
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
    await wait_for_readers(*connections)
    for number, connection in enumerate(connections):
        connection.peer.send(b"%04d" % number)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for number, (connection, result) in enumerate(zip(connections, results, strict=True)):
        if isinstance(result, asyncio.CancelledError):
            result = await connection.reader.readexactly(4)
        assert result == b"%04d" % number
    assert len(first) == 1
    await abort_connections(connections)
