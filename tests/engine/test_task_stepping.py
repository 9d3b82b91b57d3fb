"""Tasks that the poller runs immediately have their own context and current task, and no wake-up is lost."""

import asyncio
import contextlib
import contextvars
import itertools
import types
from collections.abc import Callable
from typing import Any

import pytest

from engine.peer_connections import abort_connections, open_connections, run_in_poller_step, wait_for_readers
from sluiceway._transports import fork_hooks, loop_adapter
from sluiceway._transports.epoll.poller import poller_of
from support.interrupts import Interrupt
from support.raw_peer import RawPeers
from support.scheduling import start_task
from support.timeouts import TEST_TIMEOUT

context_value: contextvars.ContextVar[str] = contextvars.ContextVar("context_value", default="unset")


async def test_step_runs_in_the_context_of_its_task(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 5)
    steps: list[int] = []

    async def handle(number):
        context_value.set(f"of {number}")
        for turn in range(3):
            await connections[number].reader.readexactly(1)
            steps.append(number)
            assert context_value.get() == (f"of {number}" if turn == 0 else f"of {number} in turn {turn - 1}")
            context_value.set(f"of {number} in turn {turn}")
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
    assert context_value.get() == "unset"
    await abort_connections(connections)


async def test_two_tasks_that_share_a_context_both_complete(raw_peers: RawPeers):
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


async def test_feed_data_to_another_reader_wakes_its_task_after_the_step(raw_peers: RawPeers):
    fed, feeding = await open_connections(raw_peers, 2)
    order = []

    async def read():
        order.append(await fed.reader.readexactly(5))

    reading = asyncio.create_task(read())
    await wait_for_readers(fed)

    async def feed():
        fed.reader.feed_data(b"by hand")
        order.append("fed")

    await run_in_poller_step(feeding, feed)
    await reading
    assert order == ["fed", b"by ha"]
    fed.peer.send(b" and received")
    assert await fed.reader.readexactly(15) == b"nd and received"
    await abort_connections([fed, feeding])


async def test_feed_data_in_a_step_is_read_in_the_same_step(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def feed():
        connection.reader.feed_data(b"own")
        return await connection.reader.readexactly(3)

    assert await run_in_poller_step(connection, feed) == b"own"
    await connection.close()


@pytest.mark.parametrize("cancel_first", [False, True])
@pytest.mark.parametrize("received", [False, True])
async def test_wake_up_and_cancellation_in_one_iteration_keep_the_data(
    raw_peers: RawPeers, cancel_first: bool, received: bool
):
    [connection] = await open_connections(raw_peers)
    reading = asyncio.create_task(connection.reader.readexactly(4))
    await wait_for_readers(connection)
    if received:
        connection.peer.send(b"data")
    if cancel_first:
        reading.cancel("enough")
    if not received:
        connection.reader.feed_data(b"data")
    if not cancel_first:
        reading.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await connection.reader.readexactly(4) == b"data"
    await connection.close()


async def test_successive_waits_on_one_reader_return_their_own_data(raw_peers: RawPeers):
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
        try:
            data = await reading
        except asyncio.CancelledError:
            data = await connection.reader.readexactly(4)
        assert data == b"%04d" % number
    await connection.close()


async def test_successive_waits_reuse_one_waiter(raw_peers: RawPeers):
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


async def test_reads_in_wait_for_timeout_shield_task_group_and_gather_return_their_data(raw_peers: RawPeers):
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
    [second] = await asyncio.gather(asyncio.wait_for(read(1), TEST_TIMEOUT))
    assert second == b"d"
    with pytest.raises(asyncio.CancelledError):
        await outer
    await connection.close()


async def test_exception_in_a_step_ends_only_its_task(raw_peers: RawPeers):
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


async def test_waiter_without_poller_is_refused_and_a_second_init_has_no_effect(raw_peers: RawPeers):
    """Otherwise the next wake-up would crash the interpreter."""
    [connection] = await open_connections(raw_peers)
    task = await start_task(connection.reader.readline())
    waiter = connection.reader._waiter
    with pytest.raises(TypeError):
        type(waiter)(asyncio.get_running_loop(), None)
    waiter.__init__(None, None)
    connection.peer.send(b"line\n")
    assert await task == b"line\n"
    await connection.close()


@pytest.mark.parametrize("stepper_of", [poller_of, loop_adapter.stepper_of])
def test_interrupt_while_a_loop_gets_its_stepper_leaves_none_unknown_to_forks(stepper_of: Callable[[Any], Any]) -> None:
    def is_place(frame: types.FrameType) -> bool:
        return frame.f_code.co_filename in {loop_adapter.__file__, fork_hooks.__file__}

    for number in itertools.count():
        interrupt = Interrupt(number, KeyboardInterrupt, is_place)
        with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
            with interrupt.active(), contextlib.suppress(KeyboardInterrupt):
                stepper_of(loop)
            stepper = stepper_of(loop)
            assert stepper in [reference() for reference in fork_hooks._steppers], interrupt.at
        if not interrupt.at:
            break
    assert number > 1
