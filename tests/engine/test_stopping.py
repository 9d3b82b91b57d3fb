"""A loop that is stopped, left by an exception, run again or closed while connections are open."""

import asyncio
import gc
import os
import warnings

import pytest

from engine.ends import closed, opened, waiting
from support import guards, loops
from support.peer import Peers

COUNT = 12


def test_feeding_between_two_runs(loop_kind: str, peer: Peers):
    with loops.new_runner(loop_kind) as runner:
        [end] = runner.run(opened(peer))
        loop = runner.get_loop()

        async def start():
            task = loop.create_task(end.reader.readexactly(6))
            await waiting(end)
            return task

        reading = loop.run_until_complete(start())
        end.reader.feed_data(b"abc")
        assert not reading.done()
        end.wire.send(b"def")
        assert loop.run_until_complete(reading) == b"abcdef"
        end.reader.feed_data(b"buffered")
        assert loop.run_until_complete(end.reader.readexactly(8)) == b"buffered"
        runner.run(end.close())


def test_stopping_inside_a_batch(loop_kind: str, peer: Peers):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        ends = loop.run_until_complete(opened(peer, COUNT))
        served = []

        async def handle(number):
            data = await ends[number].reader.readexactly(4)
            served.append(number)
            loop.stop()
            return data

        tasks = [loop.create_task(handle(number)) for number in range(COUNT)]
        loop.run_until_complete(waiting(*ends))
        for number, end in enumerate(ends):
            end.wire.send(b"%04d" % number)
        rounds = 0
        while len(served) < COUNT:
            before = len(served)
            loop.run_forever()
            rounds += 1
            assert rounds <= 2 * COUNT, f"{before} of {COUNT} served"
        # A stop that was asked for and not made yet must not meet the next run.
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert [task.result() for task in tasks] == [b"%04d" % number for number in range(COUNT)]
        loop.run_until_complete(closed(ends))


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_step_leaves_the_run_and_nothing_is_lost(loop_kind: str, peer: Peers, exception: type):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        ends = loop.run_until_complete(opened(peer, COUNT))

        async def handle(number):
            data = await ends[number].reader.readexactly(4)
            ends[number].writer.write(data)
            if number == 0:
                raise exception("from a handler")
            return data

        tasks = [loop.create_task(handle(number)) for number in range(COUNT)]
        loop.run_until_complete(waiting(*ends))
        for number, end in enumerate(ends):
            end.wire.send(b"%04d" % number)
        with pytest.raises(exception, match="from a handler"):
            loop.run_until_complete(asyncio.gather(*tasks[1:], loop.create_future()))
        assert isinstance(tasks[0].exception(), exception)
        assert loop.run_until_complete(asyncio.gather(*tasks[1:])) == [b"%04d" % number for number in range(1, COUNT)]
        for number, end in enumerate(ends):
            assert end.wire.receive(4) == b"%04d" % number
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(closed(ends))


def test_a_run_by_asyncio_leaves_no_descriptor(loop_kind: str, peer: Peers):
    loops.warm_up(loop_kind)
    before = guards.open_descriptors()
    listener = peer.listen()
    with_listener = guards.open_descriptors()

    async def talk():
        [end] = await opened(peer)
        end.wire.send(b"hello")
        assert await end.reader.readexactly(5) == b"hello"
        await end.close()
        end.wire.close()

    with loops.new_runner(loop_kind) as runner:
        runner.run(talk())
        kinds = [target for _, target in guards.open_descriptors() - with_listener if "eventpoll" in target]
        assert len(kinds) == 1, "the loop's own, and the poller's no more"
    left = {target for _, target in guards.open_descriptors() - with_listener if "eventpoll" in target}
    assert not left
    listener.close()
    assert before <= guards.open_descriptors()


def test_a_loop_closed_with_connections_open(loop_kind: str, peer: Peers):
    def run():
        loop = loops.new_runner(loop_kind).get_loop()
        ends = loop.run_until_complete(opened(peer, COUNT))
        reading = [loop.create_task(end.reader.read(1)) for end in ends[:2]]
        loop.run_until_complete(waiting(*ends[:2]))
        ends[2].transport.pause_reading()
        ends[3].writer.write(bytes(10_000_000))
        inodes = {os.fstat(end.transport.get_extra_info("socket").fileno()).st_ino for end in ends}
        for task in reading:
            task.cancel()
        loop.run_until_complete(asyncio.wait(reading))
        loop.close()
        return inodes

    before = {target for _, target in guards.open_descriptors()}
    polls = sum("eventpoll" in target for _, target in guards.open_descriptors())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        inodes = run()
        gc.collect()
    left = {target for _, target in guards.open_descriptors()} - before
    assert not left & {f"socket:[{inode}]" for inode in inodes}
    assert sum("eventpoll" in target for _, target in guards.open_descriptors()) == polls
