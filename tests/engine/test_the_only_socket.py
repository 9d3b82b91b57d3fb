"""The only socket of a loop is watched by the loop itself; with a second the poller watches both."""

import asyncio

import pytest

from engine.ends import End, opened, stepped
from engine.kernel import watching
from support.peer import Peers

# uvloop's sockets are the poller's in any case; tests/reading/test_resets.py shows why.
pytestmark = pytest.mark.loops("asyncio", "debug", "eager")


async def echoes(end: End) -> None:
    async def echo() -> None:
        end.writer.write(await end.reader.readexactly(4))
        await end.writer.drain()

    task = asyncio.create_task(echo())
    end.wire.send(b"ping")
    await task
    assert await end.wire.in_thread(end.wire.receive, 4) == b"ping"


async def test_one_then_two_then_one(peer: Peers):
    [first] = await opened(peer)
    [loops_own] = watching(first)
    await echoes(first)
    [second] = await opened(peer)
    [pollers] = watching(second)
    assert watching(first) == [pollers] != [loops_own]
    await echoes(first)
    await echoes(second)
    await first.close()
    await echoes(second)
    await second.close()
    [third] = await opened(peer)
    assert watching(third) == [loops_own]
    await echoes(third)
    await third.close()


async def test_a_second_that_comes_in_a_step_of_the_first(peer: Peers):
    [first] = await opened(peer)

    async def open_another() -> End:
        [another] = await opened(peer)
        await echoes(another)
        return another

    second = await stepped(first, open_another)
    await echoes(first)
    await first.close()
    await second.close()


async def test_it_waits_to_write(peer: Peers):
    [end] = await opened(peer)
    end.writer.write(bytes(20_000_000))
    assert end.transport.get_write_buffer_size() > 0
    assert len(watching(end)) == 1
    end.wire.send(b"read")
    assert await end.reader.readexactly(4) == b"read"
    end.transport.abort()
    await end.close()


async def test_it_is_paused_and_goes_on(peer: Peers):
    [end] = await opened(peer)
    end.transport.pause_reading()
    assert watching(end) == []
    end.wire.send(b"late")
    end.transport.resume_reading()
    assert await end.reader.readexactly(4) == b"late"
    await end.close()
