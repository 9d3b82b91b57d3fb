"""What a task sees in a step that the poller makes at once, and wake-ups that meet each other: none is lost."""

import asyncio
import contextvars

import pytest

from engine.ends import closed, opened, stepped, waiting
from support.peer import Peers

marked: contextvars.ContextVar[str] = contextvars.ContextVar("marked", default="nobody's")


async def test_the_context_and_the_current_task_are_the_tasks(peer: Peers):
    ends = await opened(peer, 5)
    steps: list[int] = []

    async def handle(number):
        marked.set(f"of {number}")
        for turn in range(3):
            await ends[number].reader.readexactly(1)
            steps.append(number)
            assert marked.get() == (f"of {number}" if turn == 0 else f"of {number} in turn {turn - 1}")
            marked.set(f"of {number} in turn {turn}")
            assert asyncio.current_task() is tasks[number]
            assert asyncio.get_running_loop() is tasks[number].get_loop()

    tasks = [asyncio.create_task(handle(number)) for number in range(5)]
    for turn in range(3):
        await waiting(*ends)
        for end in ends:
            end.wire.send(b"x")
        while len(steps) < 5 * (turn + 1):
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert marked.get() == "nobody's"
    await closed(ends)


async def test_a_context_that_two_tasks_share(peer: Peers):
    ends = await opened(peer, 2)
    context = contextvars.copy_context()

    async def handle(end):
        return await end.reader.readexactly(1), asyncio.current_task()

    tasks = [asyncio.create_task(handle(end), context=context) for end in ends]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"x")
    assert await asyncio.gather(*tasks) == [(b"x", task) for task in tasks]
    await closed(ends)


async def test_feeding_another_reader_from_a_step(peer: Peers):
    fed, feeding = await opened(peer, 2)
    order = []

    async def read():
        order.append(await fed.reader.readexactly(5))

    reading = asyncio.create_task(read())
    await waiting(fed)

    async def feed():
        fed.reader.feed_data(b"by hand")
        order.append("the feeder goes on first")

    await stepped(feeding, feed)
    await reading
    assert order == ["the feeder goes on first", b"by ha"]
    fed.wire.send(b" and by wire")
    assert await fed.reader.readexactly(14) == b"nd and by wire"
    await closed([fed, feeding])


async def test_feeding_ones_own_reader_from_a_step(peer: Peers):
    [end] = await opened(peer)

    async def feed():
        end.reader.feed_data(b"own")
        return await end.reader.readexactly(3)

    assert await stepped(end, feed) == b"own"
    await end.close()


@pytest.mark.parametrize("cancel_first", [False, True])
@pytest.mark.parametrize("by_wire", [False, True])
async def test_a_wake_up_and_a_cancel_in_one_turn(peer: Peers, cancel_first: bool, by_wire: bool):
    [end] = await opened(peer)
    reading = asyncio.create_task(end.reader.readexactly(4))
    await waiting(end)
    if by_wire:
        end.wire.send(b"data")
    if cancel_first:
        reading.cancel("enough")
    if not by_wire:
        end.reader.feed_data(b"data")
    if not cancel_first:
        reading.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with asyncio.timeout(10):
        assert await end.reader.readexactly(4) == b"data"
    await end.close()


async def test_waits_follow_each_other_on_one_reader(peer: Peers):
    [end] = await opened(peer)
    for number in range(50):
        reading = asyncio.create_task(end.reader.readexactly(4))
        await waiting(end)
        if number % 3 == 0:
            end.reader.feed_data(b"%04d" % number)
            if number % 2:
                reading.cancel()
        elif number % 3 == 1:
            reading.cancel()
            end.wire.send(b"%04d" % number)
        else:
            end.wire.send(b"%04d" % number)
        async with asyncio.timeout(10):
            try:
                data = await reading
            except asyncio.CancelledError:
                data = await end.reader.readexactly(4)
        assert data == b"%04d" % number
    await end.close()


async def test_one_object_is_awaited_in_all_waits(peer: Peers):
    [end] = await opened(peer)
    awaited = []
    for _ in range(3):
        reading = asyncio.create_task(end.reader.readexactly(1))
        await waiting(end)
        awaited.append(end.reader._waiter)
        end.wire.send(b"!")
        await reading
    assert awaited[0] is awaited[1] is awaited[2]
    await end.close()


async def test_reads_under_the_loops_own_tools(peer: Peers):
    [end] = await opened(peer)
    read = end.reader.readexactly
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(1), 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await read(1)
    shielded = asyncio.ensure_future(read(2))
    outer = asyncio.ensure_future(asyncio.shield(shielded))
    await waiting(end)
    outer.cancel()
    end.wire.send(b"ab")
    assert await shielded == b"ab"
    async with asyncio.TaskGroup() as group:
        first = group.create_task(read(1))
        await waiting(end)
        end.wire.send(b"c")
    assert first.result() == b"c"
    end.wire.send(b"d")
    [second] = await asyncio.gather(asyncio.wait_for(read(1), 10))
    assert second == b"d"
    with pytest.raises(asyncio.CancelledError):
        await outer
    await end.close()


async def test_a_step_that_raises_is_the_tasks_affair(peer: Peers):
    ends = await opened(peer, 10)

    async def handle(end):
        await end.reader.readexactly(1)
        raise LookupError("of the handler")

    tasks = [asyncio.create_task(handle(end)) for end in ends]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"xy")
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, LookupError)
    for end in ends:
        assert await end.reader.readexactly(1) == b"y"
    await closed(ends)
