"""A fork within a step: what was written before has left, the child can close what it inherited, the parent goes on."""

import asyncio
import gc
import os

import pytest

import sluiceway
from engine.ends import closed, opened, stepped, waiting
from support import guards
from support.peer import Peers

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


async def test_what_was_written_before_leaves_before(peer: Peers):
    [end] = await opened(peer)
    descriptor = end.writer.get_extra_info("socket").fileno()

    async def step():
        end.writer.write(b"parent, ")
        assert forked(lambda: os.write(descriptor, b"child, ")) == 0
        end.writer.write(b"parent")

    await stepped(end, step)
    assert end.wire.receive(21) == b"parent, child, parent"
    await end.close()


async def test_the_child_closes_what_it_inherited(peer: Peers):
    ends = await opened(peer, 3)

    def child():
        for end in ends:
            end.transport.pause_reading()
            end.transport.resume_reading()
            end.writer.close()
            end.transport.abort()

    async def step():
        assert forked(child) == 0

    reading = asyncio.create_task(ends[1].reader.readexactly(5))
    await waiting(ends[1])
    await stepped(ends[0], step)
    ends[1].wire.send(b"still")
    assert await reading == b"still"
    for end in ends:
        end.writer.write(b"here")
        assert end.wire.receive(4) == b"here"
    await closed(ends)


async def test_the_childs_poller_is_closed(peer: Peers):
    [end] = await opened(peer)

    def child():
        # The loop's own descriptor stays: it is the loop's affair.
        os._exit(10 + polls())

    def polls() -> int:
        return sum("eventpoll" in target for _, target in guards.open_descriptors())

    async def step():
        return polls(), forked(child)

    before, after = await stepped(end, step)
    assert after == 10 + before - 1
    await end.close()


@pytest.mark.loops("asyncio")
async def test_the_child_runs_a_loop_of_its_own(peer: Peers):
    ends = await opened(peer, 2)
    listener = peer.listen()

    async def talk():
        reader, writer = await sluiceway.open_connection(*listener.address)
        wire = listener.accept()
        reading = asyncio.create_task(reader.readexactly(5))
        await asyncio.sleep(0)
        wire.send(b"hello")
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

    assert await stepped(ends[0], step) == 0
    ends[1].wire.send(b"on")
    assert await ends[1].reader.readexactly(2) == b"on"
    await closed(ends)
