"""Two loops in two threads: each has its own poller, and they do not affect each other."""

import asyncio
import gc
import os
import random
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from engine.epoll_descriptors import epoll_watchers
from engine.peer_connections import abort_connections, open_connections, wait_for_readers
from support import file_descriptors, loops
from support.connections import server_address
from support.raw_peer import PEER_TIMEOUT, RawPeers

CLIENTS = 8
MESSAGES = 150


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def echo_lines(seed: int, address: tuple[str, int]) -> int:
    """Send ``MESSAGES`` lines on one connection and check their echoes; return the number of lines."""
    chance = random.Random(seed)
    reader, writer = await sluiceway.open_connection(*address)
    for number in range(MESSAGES):
        line = b"%d %d %s\n" % (seed, number, b"x" * chance.randrange(2000))
        writer.write(line)
        assert await reader.readline() == line
    writer.close()
    await writer.wait_closed()
    return MESSAGES


async def serve_clients(seed: int) -> int:
    """Run a server and its clients on the running loop; return the number of echoed lines."""
    server = await sluiceway.start_server(echo, "127.0.0.1", 0)
    counts = await asyncio.gather(*(echo_lines(seed + number, server_address(server)) for number in range(CLIENTS)))
    server.close()
    await server.wait_closed()
    return sum(counts)


async def run_in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Run each function in a thread; return their results."""
    return await asyncio.gather(*(asyncio.to_thread(work) for work in works))


def serve_clients_in_new_loop(kind: str, seed: int) -> int:
    with loops.new_runner(kind) as runner:
        return runner.run(serve_clients(seed))


async def test_loops_in_two_threads_serve_all_clients(loop_kind: str):
    counts = await run_in_threads(
        lambda: serve_clients_in_new_loop(loop_kind, 1000), lambda: serve_clients_in_new_loop(loop_kind, 2000)
    )
    assert counts == [CLIENTS * MESSAGES] * 2


async def test_short_lived_loops_in_a_thread_do_not_affect_a_running_loop(loop_kind: str, raw_peers: RawPeers):
    over = threading.Event()
    listener = raw_peers.listen()

    async def visit():
        reader, writer = await sluiceway.open_connection(*listener.address)
        peer = listener.accept()
        peer.send(b"hello")
        assert await reader.readexactly(5) == b"hello"
        peer.close()
        writer.close()
        await writer.wait_closed()

    def come_and_go() -> int:
        count = 0
        while not over.is_set():
            with loops.new_runner(loop_kind) as runner:
                runner.run(visit())
            count += 1
        return count

    going = asyncio.create_task(asyncio.to_thread(come_and_go))
    try:
        counts = await asyncio.gather(*(serve_clients(seed) for seed in (3000, 4000)))
    finally:
        over.set()
        visits = await going
    assert counts == [CLIENTS * MESSAGES] * 2
    assert visits


async def test_each_loop_has_its_own_poller(loop_kind: str, raw_peers: RawPeers):
    # Two in each, because a loop itself watches a sole socket.
    [here, beside] = await open_connections(raw_peers, 2)
    others = raw_peers.listen()
    opened_there = threading.Event()
    compared = threading.Event()

    async def stay():
        reader, writer = await sluiceway.open_connection(*others.address)
        peer = others.accept()
        connection = type(here)(reader, writer, peer)
        second = type(here)(*await sluiceway.open_connection(*others.address), others.accept())
        pollers = epoll_watchers(connection)
        opened_there.set()
        await asyncio.to_thread(compared.wait, PEER_TIMEOUT)
        peer.send(b"there")
        assert await reader.readexactly(5) == b"there"
        await connection.close()
        await second.close()
        peer.close()
        second.peer.close()
        return pollers

    def run():
        with loops.new_runner(loop_kind) as runner:
            return runner.run(stay())

    there = asyncio.create_task(asyncio.to_thread(run))
    await asyncio.to_thread(opened_there.wait, PEER_TIMEOUT)
    [mine] = epoll_watchers(here)
    compared.set()
    [other] = await there
    assert mine != other
    # The other loop and its poller are closed; this loop's poller is unchanged.
    assert epoll_watchers(here) == [mine]
    here.peer.send(b"here")
    assert await here.reader.readexactly(4) == b"here"
    await here.close()
    await beside.close()


async def test_writes_and_fed_data_by_call_soon_threadsafe_arrive_in_order(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 4)
    loop = asyncio.get_running_loop()
    reads = [asyncio.create_task(connection.reader.readexactly(200)) for connection in connections]
    await wait_for_readers(*connections)

    def feed():
        for number in range(100):
            for connection in connections:
                loop.call_soon_threadsafe(connection.reader.feed_data, b"%02d" % number)
                loop.call_soon_threadsafe(connection.writer.write, b"%02d" % number)

    feeding = asyncio.to_thread(feed)
    await feeding
    expected = b"".join(b"%02d" % number for number in range(100))
    assert await asyncio.gather(*reads) == [expected] * 4
    for connection in connections:
        assert await connection.peer.in_thread(connection.peer.receive, 200) == expected
    await abort_connections(connections)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_forks_while_loops_serve_clients_lose_no_line(loop_kind: str):
    going = asyncio.create_task(asyncio.to_thread(serve_clients_in_new_loop, loop_kind, 5000))
    own = asyncio.create_task(serve_clients(6000))
    forks = 0
    while not (going.done() and own.done()):
        pid = os.fork()
        if pid == 0:
            # The child does nothing else.
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        forks += 1
        await asyncio.sleep(0.01)  # paces the forks, orders nothing
    assert [await going, await own] == [CLIENTS * MESSAGES] * 2
    assert forks


def test_loop_closed_in_a_thread_with_an_open_connection_closes_its_socket(loop_kind: str, raw_peers: RawPeers):
    loops.warm_up(loop_kind)
    listener = raw_peers.listen()
    polls = sum("eventpoll" in target for _, target in file_descriptors.open_descriptors())
    inodes: list[int] = []

    async def leave():
        reader, writer = await sluiceway.open_connection(*listener.address)
        inodes.append(os.fstat(writer.get_extra_info("socket").fileno()).st_ino)
        writer.write(b"left open")
        return reader, writer, listener.accept()

    left: list[Any] = []

    def run():
        runner = loops.new_runner(loop_kind)
        left.extend(runner.run(leave()))
        runner.close()

    async def main():
        [connection] = await open_connections(raw_peers)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await asyncio.to_thread(run)
            peer = left.pop()
            assert peer.receive(9) == b"left open"
            # Collected here, in another thread than its loop's.
            left.clear()
            gc.collect()
        assert await peer.in_thread(peer.receive_rest) == b""
        connection.peer.send(b"goes on")
        assert await connection.reader.readexactly(7) == b"goes on"
        await connection.close()
        peer.close()
        connection.peer.close()

    with loops.new_runner(loop_kind) as runner:
        runner.run(main())
    gc.collect()
    now = [target for _, target in file_descriptors.open_descriptors()]
    assert f"socket:[{inodes[0]}]" not in now
    assert sum("eventpoll" in target for target in now) == polls


def own_thread_loop(kind: str) -> asyncio.AbstractEventLoop:
    """Return a loop whose is_closed() may be called in this thread only."""
    with loops.new_runner(kind) as runner:
        base: Any = type(runner.get_loop())
    own = threading.get_ident()

    class OwnThreadLoop(base):
        def is_closed(self) -> bool:
            if threading.get_ident() != own:
                raise RuntimeError("is_closed() is called in another thread")
            closed: bool = super().is_closed()
            return closed

    return OwnThreadLoop()


def test_is_closed_of_a_program_may_raise_in_other_threads(loop_kind: str) -> None:
    counts: list[int] = []

    async def serve_beside() -> None:
        counts.append(await serve_clients(1))
        thread = threading.Thread(target=lambda: counts.append(serve_clients_in_new_loop("asyncio", 2)))
        thread.start()
        thread.join()
        counts.append(await serve_clients(3))

    with asyncio.Runner(loop_factory=lambda: own_thread_loop(loop_kind)) as runner:
        runner.run(serve_beside())
    assert counts == [CLIENTS * MESSAGES] * 3
