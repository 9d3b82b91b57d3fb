"""Loops that are stopped, interrupted, run again or closed while connections are open."""

import asyncio
import gc
import os
import warnings

import pytest

from engine.peer_connections import abort_connections, open_connections, wait_for_readers
from support import file_descriptors, loops
from support.raw_peer import RawPeers

COUNT = 12


def test_data_fed_between_two_runs_of_the_loop_is_read(loop_kind: str, raw_peers: RawPeers):
    with loops.new_runner(loop_kind) as runner:
        [connection] = runner.run(open_connections(raw_peers))
        loop = runner.get_loop()

        async def start():
            task = loop.create_task(connection.reader.readexactly(6))
            await wait_for_readers(connection)
            return task

        reading = loop.run_until_complete(start())
        connection.reader.feed_data(b"abc")
        assert not reading.done()
        connection.peer.send(b"def")
        assert loop.run_until_complete(reading) == b"abcdef"
        connection.reader.feed_data(b"buffered")
        assert loop.run_until_complete(connection.reader.readexactly(8)) == b"buffered"
        runner.run(connection.close())


def test_loop_stopped_within_a_batch_serves_the_rest_later(loop_kind: str, raw_peers: RawPeers):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        connections = loop.run_until_complete(open_connections(raw_peers, COUNT))
        served_numbers = []

        async def handle(number):
            data = await connections[number].reader.readexactly(4)
            served_numbers.append(number)
            loop.stop()
            return data

        tasks = [loop.create_task(handle(number)) for number in range(COUNT)]
        loop.run_until_complete(wait_for_readers(*connections))
        for number, connection in enumerate(connections):
            connection.peer.send(b"%04d" % number)
        rounds = 0
        while len(served_numbers) < COUNT:
            before = len(served_numbers)
            loop.run_forever()
            rounds += 1
            assert rounds <= 2 * COUNT, f"{before} of {COUNT} served_numbers"
        # A pending stop must not affect the next run.
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert [task.result() for task in tasks] == [b"%04d" % number for number in range(COUNT)]
        loop.run_until_complete(abort_connections(connections))


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_a_handler_is_raised_by_the_run_and_loses_no_data(
    loop_kind: str, raw_peers: RawPeers, exception: type
):
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        connections = loop.run_until_complete(open_connections(raw_peers, COUNT))

        async def handle(number):
            data = await connections[number].reader.readexactly(4)
            connections[number].writer.write(data)
            if number == 0:
                raise exception("from a handler")
            return data

        tasks = [loop.create_task(handle(number)) for number in range(COUNT)]
        loop.run_until_complete(wait_for_readers(*connections))
        for number, connection in enumerate(connections):
            connection.peer.send(b"%04d" % number)
        with pytest.raises(exception, match="from a handler"):
            loop.run_until_complete(asyncio.gather(*tasks[1:], loop.create_future()))
        assert isinstance(tasks[0].exception(), exception)
        assert loop.run_until_complete(asyncio.gather(*tasks[1:])) == [b"%04d" % number for number in range(1, COUNT)]
        for number, connection in enumerate(connections):
            assert connection.peer.receive(4) == b"%04d" % number
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(abort_connections(connections))


def test_completed_run_leaves_no_descriptor(loop_kind: str, raw_peers: RawPeers):
    loops.warm_up(loop_kind)
    before = file_descriptors.open_descriptors()
    listener = raw_peers.listen()
    with_listener = file_descriptors.open_descriptors()

    async def talk():
        [connection] = await open_connections(raw_peers)
        connection.peer.send(b"hello")
        assert await connection.reader.readexactly(5) == b"hello"
        await connection.close()
        connection.peer.close()

    with loops.new_runner(loop_kind) as runner:
        runner.run(talk())
        kinds = [target for _, target in file_descriptors.open_descriptors() - with_listener if "eventpoll" in target]
        assert len(kinds) == 1, "the loop's own; that of the poller is closed"
    left = {target for _, target in file_descriptors.open_descriptors() - with_listener if "eventpoll" in target}
    assert not left
    listener.close()
    assert before <= file_descriptors.open_descriptors()


def test_loop_closed_with_open_connections_leaves_no_descriptor(loop_kind: str, raw_peers: RawPeers):
    def run():
        loop = loops.new_runner(loop_kind).get_loop()
        connections = loop.run_until_complete(open_connections(raw_peers, COUNT))
        reading = [loop.create_task(connection.reader.read(1)) for connection in connections[:2]]
        loop.run_until_complete(wait_for_readers(*connections[:2]))
        connections[2].transport.pause_reading()
        connections[3].writer.write(bytes(10_000_000))
        inodes = {os.fstat(connection.transport.get_extra_info("socket").fileno()).st_ino for connection in connections}
        for task in reading:
            task.cancel()
        loop.run_until_complete(asyncio.wait(reading))
        loop.close()
        return inodes

    before = {target for _, target in file_descriptors.open_descriptors()}
    polls = sum("eventpoll" in target for _, target in file_descriptors.open_descriptors())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        inodes = run()
        gc.collect()
    left = {target for _, target in file_descriptors.open_descriptors()} - before
    assert not left & {f"socket:[{inode}]" for inode in inodes}
    assert sum("eventpoll" in target for _, target in file_descriptors.open_descriptors()) == polls
