"""The poller runs tasks that yielded because their budget was exhausted, independently of each other."""

import asyncio

import pytest

from engine.peer_connections import abort_connections, open_connections, wait_for_readers
from engine.test_nested_loops import run_nested
from support import loops
from support.raw_peer import RawPeers
from support.timeouts import TEST_TIMEOUT

LINES = 600  # more than twice the budget
SENT = b"".join(b"%06d\n" % number for number in range(LINES))


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_one_task_after_its_yield_leaves_the_others_running(
    loop_kind: str, raw_peers: RawPeers, exception: type[BaseException]
):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        connections = loop.run_until_complete(open_connections(raw_peers, 4))

        async def handle(number):
            await connections[number].reader.readexactly(1)
            for count in range(LINES):
                if number == 0 and connections[0].reader._sluiceway.budget_used == 1 and count > 200:
                    raise exception("after the yield")
                await connections[number].reader.readline()
            return number

        tasks = [loop.create_task(handle(number)) for number in range(4)]
        loop.run_until_complete(wait_for_readers(*connections))
        for connection in connections:
            connection.peer.send(b"!" + SENT)
        with pytest.raises(exception, match="after the yield"):
            loop.run_until_complete(asyncio.gather(*tasks[1:], loop.create_future()))
        assert isinstance(tasks[0].exception(), exception)
        assert loop.run_until_complete(asyncio.wait_for(asyncio.gather(*tasks[1:]), TEST_TIMEOUT)) == [1, 2, 3]
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(abort_connections(connections))


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_nested_loop_in_one_task_after_its_yield_serves_the_others(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 3)
    nested = []

    async def handle(number):
        await connections[number].reader.readexactly(1)
        for count in range(LINES):
            if number == 0 and connections[0].reader._sluiceway.budget_used == 1 and count > 200 and not nested:
                nested.append(count)
                run_nested(asyncio.gather(*tasks[1:]))
            assert await connections[number].reader.readline() == b"%06d\n" % count

    tasks = [asyncio.create_task(handle(number)) for number in range(3)]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"!" + SENT)
    await asyncio.gather(*tasks)
    assert nested
    await abort_connections(connections)
