"""Connections, tasks and loops that are collected as garbage: handlers clean up, and no descriptor is left."""

import asyncio
import contextlib
import gc
import os
import warnings
import weakref

import pytest

from engine.peer_connections import open_connections, wait_for_readers
from support import file_descriptors, loops
from support.raw_peer import RawPeers

COUNT = 10


def close_loop_with_open_connections(
    kind: str, raw_peers: RawPeers, handled: list[int], wait: str
) -> tuple[weakref.ref, set[str]]:
    """Close a loop while ``COUNT`` handlers wait; return a weak reference to the loop, and the inodes of the sockets.

    The remaining objects are a reference cycle: task, coroutine, streams, transport, poller, loop.
    """
    loop = loops.new_runner(kind).get_loop()
    loop.set_exception_handler(lambda _loop, context: None)
    connections = loop.run_until_complete(open_connections(raw_peers, COUNT))
    tasks = []

    async def handle(number):
        connection = connections[number]
        try:
            if wait == "drain":
                connection.writer.write(bytes(20_000_000))
                await connection.writer.drain()
            await connection.reader.readexactly(1)
        finally:
            handled.append(number)
            for last in (
                lambda: connection.writer.write(b"last words"),
                connection.transport.resume_reading,
                lambda: connection.transport.set_write_buffer_limits(0),
                lambda: connection.transport.set_protocol(connection.transport.get_protocol()),
                lambda: connection.writer.get_extra_info("socket"),
                connection.transport.abort,
            ):
                # As with asyncio's transports, a closed loop raises.
                with contextlib.suppress(RuntimeError):
                    last()
            assert tasks

    tasks += [loop.create_task(handle(number)) for number in range(COUNT)]
    if wait == "drain":
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
    else:
        loop.run_until_complete(wait_for_readers(*connections))
    if wait == "paused":
        for connection in connections:
            connection.transport.pause_reading()
    inodes = {
        f"socket:[{os.fstat(connection.transport.get_extra_info('socket').fileno()).st_ino}]"
        for connection in connections
    }
    loop.close()
    return weakref.ref(loop), inodes


@pytest.mark.parametrize("wait", ["read", "drain", "paused"])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_collected_loop_with_waiting_handlers_runs_their_cleanup_and_closes_sockets(
    loop_kind: str, raw_peers: RawPeers, wait: str
):
    gc.collect()
    polls = sum("eventpoll" in target for _, target in file_descriptors.open_descriptors())
    handled: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop, inodes = close_loop_with_open_connections(loop_kind, raw_peers, handled, wait)
        gc.collect()
        gc.collect()
    assert sorted(handled) == list(range(COUNT))
    assert loop() is None
    left = {target for _, target in file_descriptors.open_descriptors()}
    assert not left & inodes
    assert sum("eventpoll" in target for _, target in file_descriptors.open_descriptors()) == polls


def test_garbage_collection_within_a_batch_keeps_objects_in_use(loop_kind: str, raw_peers: RawPeers):
    """The collector runs at every allocation, and handlers drop the last references to their streams."""
    with loops.new_runner(loop_kind) as runner:

        async def main():
            connections = await open_connections(raw_peers, COUNT)

            async def handle(number):
                for turn in range(5):
                    assert await connections[number].reader.readexactly(4) == b"%02d%02d" % (number, turn)
                    gc.collect(0)
                    connections[number].writer.write(b"ok")
                    if number % 3 == turn:
                        # The last reference to this reader and writer, except those of running frames.
                        connections[number].transport.abort()
                        connections[number] = None
                        return

            tasks = [asyncio.create_task(handle(number)) for number in range(COUNT)]
            peers = [connection.peer for connection in connections]
            await wait_for_readers(*connections)
            for turn in range(5):
                for number, peer in enumerate(peers):
                    try:
                        peer.send(b"%02d%02d" % (number, turn))
                    except OSError:
                        assert connections[number] is None
            await asyncio.gather(*tasks)
            for connection in connections:
                if connection is not None:
                    await connection.close()

        threshold = gc.get_threshold()
        gc.set_threshold(1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                runner.run(main())
        finally:
            gc.set_threshold(*threshold)
