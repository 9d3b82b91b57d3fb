"""Connections, tasks and loop collected as garbage, in whatever order: handlers clean up, nothing is left."""

import asyncio
import contextlib
import gc
import os
import warnings
import weakref

import pytest

from engine.ends import opened, waiting
from support import guards, loops
from support.peer import Peers

COUNT = 10


def leave_open(kind: str, peer: Peers, cleaned: list[int], how: str) -> tuple[weakref.ref, set[str]]:
    """Close a loop while ``COUNT`` handlers wait on their connections; return the loop and the sockets' inodes.

    What is left of all of it refers to itself in a ring: task, coroutine, streams, transport, poller, loop.
    """
    loop = loops.new_runner(kind).get_loop()
    loop.set_exception_handler(lambda _loop, context: None)
    ends = loop.run_until_complete(opened(peer, COUNT))
    tasks = []

    async def handle(number):
        end = ends[number]
        try:
            if how == "drain":
                end.writer.write(bytes(20_000_000))
                await end.writer.drain()
            await end.reader.readexactly(1)
        finally:
            cleaned.append(number)
            for last in (
                lambda: end.writer.write(b"farewell"),
                end.transport.resume_reading,
                lambda: end.transport.set_write_buffer_limits(0),
                lambda: end.transport.set_protocol(end.transport.get_protocol()),
                lambda: end.writer.get_extra_info("socket"),
                end.transport.abort,
            ):
                # As of asyncio's own transports: a closed loop takes no callback.
                with contextlib.suppress(RuntimeError):
                    last()
            assert tasks

    tasks += [loop.create_task(handle(number)) for number in range(COUNT)]
    if how == "drain":
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
    else:
        loop.run_until_complete(waiting(*ends))
    if how == "paused":
        for end in ends:
            end.transport.pause_reading()
    inodes = {f"socket:[{os.fstat(end.transport.get_extra_info('socket').fileno()).st_ino}]" for end in ends}
    loop.close()
    return weakref.ref(loop), inodes


@pytest.mark.parametrize("how", ["read", "drain", "paused"])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_handlers_that_wait_when_their_loop_is_closed(loop_kind: str, peer: Peers, how: str):
    gc.collect()
    polls = sum("eventpoll" in target for _, target in guards.open_descriptors())
    cleaned: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop, inodes = leave_open(loop_kind, peer, cleaned, how)
        gc.collect()
        gc.collect()
    assert sorted(cleaned) == list(range(COUNT))
    assert loop() is None
    left = {target for _, target in guards.open_descriptors()}
    assert not left & inodes
    assert sum("eventpoll" in target for _, target in guards.open_descriptors()) == polls


def test_collecting_in_the_middle_of_batches(loop_kind: str, peer: Peers):
    """Everything that a batch uses is referred to while it is used, however often the collector runs."""
    with loops.new_runner(loop_kind) as runner:

        async def main():
            ends = await opened(peer, COUNT)

            async def handle(number):
                for turn in range(5):
                    assert await ends[number].reader.readexactly(4) == b"%02d%02d" % (number, turn)
                    gc.collect(0)
                    ends[number].writer.write(b"ok")
                    if number % 3 == turn:
                        # The last reference to this reader and writer but for the running frames.
                        ends[number].transport.abort()
                        ends[number] = None
                        return

            tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
            wires = [end.wire for end in ends]
            await waiting(*ends)
            for turn in range(5):
                for number, wire in enumerate(wires):
                    try:
                        wire.send(b"%02d%02d" % (number, turn))
                    except OSError:
                        assert ends[number] is None
            await asyncio.gather(*tasks)
            for end in ends:
                if end is not None:
                    await end.close()

        threshold = gc.get_threshold()
        gc.set_threshold(1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                runner.run(main())
        finally:
            gc.set_threshold(*threshold)
