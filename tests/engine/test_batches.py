"""Handlers that change what else is in their batch: an event never reaches a connection that is gone."""

import asyncio

import pytest

from engine.ends import closed, opened, waiting
from support.peer import Peers

COUNT = 30


@pytest.mark.parametrize("how", ["close", "abort", "abort and close"])
async def test_the_first_ends_all_others(peer: Peers, how: str):
    ends = await opened(peer, COUNT)
    served = []

    async def handle(number):
        data = await ends[number].reader.read(100)
        if data:
            served.append(number)
            for other, end in enumerate(ends):
                if other != number and not end.writer.is_closing():
                    if "abort" in how:
                        end.transport.abort()
                    if "close" in how:
                        end.writer.close()
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"all ready at once")
    results = await asyncio.gather(*tasks)
    assert len(served) == 1
    assert results[served[0]] == b"all ready at once"
    assert [data for number, data in enumerate(results) if number != served[0]] == [b""] * (COUNT - 1)
    await closed(ends)


async def test_each_ends_itself(peer: Peers):
    ends = await opened(peer, COUNT)

    async def handle(end):
        line = await end.reader.readline()
        end.writer.write(line)
        end.writer.close()
        return line

    tasks = [asyncio.create_task(handle(end)) for end in ends]
    await waiting(*ends)
    for number, end in enumerate(ends):
        end.wire.send(b"%d\n" % number)
    assert await asyncio.gather(*tasks) == [b"%d\n" % number for number in range(COUNT)]
    for number, end in enumerate(ends):
        await end.writer.wait_closed()
        assert end.wire.receive_rest() == b"%d\n" % number


async def test_each_aborts_itself(peer: Peers):
    ends = await opened(peer, COUNT)

    async def handle(end):
        await end.reader.readexactly(1)
        end.transport.abort()

    tasks = [asyncio.create_task(handle(end)) for end in ends]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"x")
    await asyncio.gather(*tasks)
    await closed(ends)


async def test_each_cancels_itself(peer: Peers):
    ends = await opened(peer, COUNT)

    async def handle(end):
        await end.reader.readexactly(1)
        asyncio.current_task().cancel()
        await end.reader.readexactly(1)

    tasks = [asyncio.create_task(handle(end)) for end in ends]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"x")
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, asyncio.CancelledError)
    for end in ends:
        end.wire.send(b"y")
        assert await end.reader.readexactly(1) == b"y"
    await closed(ends)


async def test_the_first_opens_connections_with_the_numbers_of_those_it_ended(peer: Peers):
    ends = await opened(peer, COUNT)
    reached = []

    async def handle(number):
        data = await ends[number].reader.read(100)
        if data and not reached:
            reached.append(number)
            others = [end for end in ends if end is not ends[number]]
            await closed(others)
            new = await opened(peer, COUNT)
            reads = [asyncio.create_task(end.reader.readexactly(3)) for end in new]
            await waiting(*new)
            for end in new:
                end.wire.send(b"new")
            assert await asyncio.gather(*reads) == [b"new"] * COUNT
            await closed(new)
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"old")
    results = await asyncio.gather(*tasks)
    assert results[reached[0]] == b"old"
    assert set(results) <= {b"old", b""}
    await closed(ends)


async def test_more_than_one_batch_is_ready(peer: Peers):
    ends = await opened(peer, 300)
    tasks = [asyncio.create_task(end.reader.readexactly(4)) for end in ends]
    await waiting(*ends)
    for number, end in enumerate(ends):
        end.wire.send(b"%04d" % number)
    assert await asyncio.gather(*tasks) == [b"%04d" % number for number in range(300)]
    await closed(ends)


async def test_one_cancels_the_reads_of_all_others_whose_data_is_there(peer: Peers):
    ends = await opened(peer, COUNT)
    first = []

    async def handle(number):
        data = await ends[number].reader.readexactly(4)
        if not first:
            first.append(number)
            for task in tasks:
                if task is not asyncio.current_task():
                    task.cancel()
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
    await waiting(*ends)
    for number, end in enumerate(ends):
        end.wire.send(b"%04d" % number)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for number, (end, result) in enumerate(zip(ends, results, strict=True)):
        if isinstance(result, asyncio.CancelledError):
            result = await end.reader.readexactly(4)
        assert result == b"%04d" % number
    assert len(first) == 1
    await closed(ends)
