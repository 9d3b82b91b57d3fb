"""A nested run of the loop inside a step of the poller, as in interactive shells, serves every connection once.

asyncio forbids nested runs. nest_asyncio and similar packages suspend the current task and call loop._run_once().
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

import sluiceway
from engine.peer_connections import (
    PeerConnection,
    abort_connections,
    loops_with_immediate_wakeup,
    open_connections,
    run_in_poller_step,
    wait_for_readers,
)
from sluiceway._transports.epoll.poller import Poller
from sluiceway._transports.epoll.transport import attach
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeers
from support.timeouts import PEER_TIMEOUT
from support.tls_connections import manual_tls_connection

pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

# Iterations after which a nested run counts as spinning.
MAX_ITERATIONS = 500


@contextlib.contextmanager
def current_task_suspended() -> Iterator[None]:
    """Unset the current task of the running loop in the with block."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    asyncio.tasks._leave_task(loop, task)
    try:
        yield
    finally:
        asyncio.tasks._enter_task(loop, task)


def run_nested_until(done: Callable[[], bool]) -> None:
    """Run iterations of the running loop until ``done()``."""
    loop = asyncio.get_running_loop()
    over = loop.time() + PEER_TIMEOUT
    # An iteration waits for the next event; without any other, this timer is one.
    waker = loop.call_at(over, lambda: None)
    count = 0
    while not done():
        count += 1
        assert loop.time() < over, "the nested loop hangs"
        assert count < MAX_ITERATIONS, "the nested loop spins"
        loop._run_once()
    waker.cancel()


def run_nested(future: asyncio.Future) -> None:
    """Run the loop nested in the current task until ``future`` is done."""
    with current_task_suspended():
        run_nested_until(future.done)


async def test_nested_loop_serves_connections_that_become_ready_in_the_step(raw_peers: RawPeers):
    first, *others = await open_connections(raw_peers, 10)
    reads = [asyncio.create_task(connection.reader.readexactly(4)) for connection in others]
    await wait_for_readers(*others)

    async def step():
        for number, connection in enumerate(others):
            connection.peer.send(b"%04d" % number)
        run_nested(asyncio.gather(*reads))
        return [read.result() for read in reads]

    assert await run_in_poller_step(first, step) == [b"%04d" % number for number in range(9)]
    await abort_connections([first, *others])


async def test_nested_loop_serves_the_rest_of_the_current_batch(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 10)
    nested = []

    async def handle(number):
        data = await connections[number].reader.readexactly(4)
        if not nested:
            nested.append(number)
            run_nested(asyncio.gather(*(task for task in tasks if task is not asyncio.current_task())))
        return data

    tasks = [asyncio.create_task(handle(number)) for number in range(10)]
    await wait_for_readers(*connections)
    # All are ready in one batch: the first task waits for all others in its step.
    for number, connection in enumerate(connections):
        connection.peer.send(b"%04d" % number)
    assert await asyncio.gather(*tasks) == [b"%04d" % number for number in range(10)]
    await abort_connections(connections)


async def test_nested_loop_serves_the_connection_of_the_current_step(raw_peers: RawPeers):
    first, other = await open_connections(raw_peers, 2)

    async def step():
        for turn in range(5):
            reading = asyncio.ensure_future(first.reader.readexactly(4))
            first.peer.send(b"%04d" % turn)
            run_nested(reading)
            assert reading.result() == b"%04d" % turn
        return "done"

    assert await run_in_poller_step(first, step) == "done"
    await abort_connections([first, other])


@pytest.mark.engine_only
@loops_with_immediate_wakeup
async def test_connections_closed_and_opened_in_a_nested_loop_receive_their_own_data(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 20)
    reached = []

    async def renew():
        await abort_connections(connections[1:])
        new = await open_connections(raw_peers, 20)
        reads = [asyncio.create_task(connection.reader.readexactly(3)) for connection in new]
        await wait_for_readers(*new)
        for connection in new:
            connection.peer.send(b"new")
        assert await asyncio.gather(*reads) == [b"new"] * 20
        await abort_connections(new)

    async def handle(connection):
        data = await connection.reader.read(100)
        if data and connection is connections[0]:
            reached.append(connection)
            run_nested(asyncio.ensure_future(renew()))
        return data

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    # The first is served first; the events of all others are in the same batch.
    for connection in connections:
        connection.peer.send(b"old")
    results = await asyncio.gather(*tasks)
    assert results[0] == b"old"
    assert set(results) <= {b"old", b""}
    assert reached
    await abort_connections(connections)


async def test_nested_loop_that_closes_the_last_connection_can_open_a_new_one(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        run_nested(asyncio.ensure_future(abort_connections([connection])))
        run_nested(asyncio.ensure_future(asyncio.sleep(0.01)))
        [new] = run(open_connections(raw_peers))
        new.peer.send(b"new")
        assert run(new.reader.readexactly(3)) == b"new"
        run(abort_connections([new]))
        return "done"

    def run(coroutine):
        task = asyncio.ensure_future(coroutine)
        run_nested(task)
        return task.result()

    assert await run_in_poller_step(connection, step) == "done"


async def test_write_before_a_nested_loop_is_sent_before_the_nested_loop_ends(raw_peers: RawPeers):
    first, other = await open_connections(raw_peers, 2)

    async def step():
        first.writer.write(b"outside ")
        other.writer.write(b"outside ")
        echo = asyncio.ensure_future(other.reader.readexactly(1))
        other.peer.send(b"!")
        run_nested(echo)
        first.writer.write(b"after")
        other.writer.write(b"after")
        return other.peer.receive(8)

    assert await run_in_poller_step(first, step) == b"outside "
    assert first.peer.receive(13) == b"outside after"
    assert other.peer.receive(5) == b"after"
    await abort_connections([first, other])


async def test_tls_write_before_a_nested_loop_is_sent_in_the_nested_loop(raw_peers: RawPeers, tls: Certificates):
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, manual_tls):

        async def step():
            writer.write(b"outside ")
            writer.write(b"the nested loop")
            run_nested(asyncio.ensure_future(peer.in_thread(manual_tls.receive, 23)))
            return writer.transport.get_write_buffer_size()

        assert await run_in_poller_step(PeerConnection(reader, writer, manual_tls), step) == 0


async def test_nested_loop_in_a_protocol_callback_serves_other_connections(raw_peers: RawPeers):
    first, other = await open_connections(raw_peers, 2)
    got = []

    class NestingProtocol(asyncio.Protocol):
        def data_received(self, data):
            got.append(data)
            if data == b"outer":
                other.peer.send(b"inner")
                run_nested_until(lambda: len(got) == 2)
                got.append(b"outer continues")

    for connection in (first, other):
        streams = connection.transport.get_protocol()
        connection.transport.set_protocol(NestingProtocol())
        connection.streams = streams
    first.peer.send(b"outer")
    while len(got) < 3:
        await asyncio.sleep(0)
    assert got == [b"outer", b"inner", b"outer continues"]
    for connection in (first, other):
        connection.transport.set_protocol(connection.streams)
    await abort_connections([first, other])


@pytest.mark.parametrize("count", [1, 2])
async def test_nested_loop_sends_writes_of_its_tasks_and_of_the_outer_step(raw_peers: RawPeers, count: int):
    """No event of the poller precedes, because the peers answer only what they receive."""
    first, *_ = connections = await open_connections(raw_peers, count)

    async def ask() -> bytes:
        first.writer.write(b"inside ")
        return await first.peer.in_thread(first.peer.receive, 15)

    async def step():
        first.writer.write(b"outside ")
        asking = asyncio.ensure_future(ask())
        run_nested(asking)
        first.writer.write(b"after")
        return asking.result()

    assert await run_in_poller_step(first, step) == b"outside inside "
    assert first.peer.receive(5) == b"after"
    await abort_connections(connections)


class ForeignLoop:
    """A loop with public methods only, so that the poller does not use asyncio's private ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)


@pytest.mark.parametrize("kind", ["asyncio", "foreign"])
async def test_nested_loop_sends_the_write_of_the_outer_protocol_callback(raw_peers: RawPeers, kind: str):
    loop = asyncio.get_running_loop()
    if kind == "foreign":
        loop._sluiceway_poller = Poller(ForeignLoop(loop))
    listener = raw_peers.listen()
    peer = raw_peers.connect(listener.address)
    received = loop.create_future()

    class NestingProtocol(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(b"request")
            receiving = asyncio.ensure_future(peer.in_thread(peer.receive, 7))
            run_nested_until(receiving.done)
            received.set_result(receiving.result())
            self.transport.abort()

    sock = listener.sock.accept()[0]
    sock.setblocking(False)
    attach(loop, sock, NestingProtocol())
    peer.send(b"!")
    assert await received == b"request"
    await asyncio.sleep(0)


@loops_with_immediate_wakeup
async def test_late_write_in_a_nested_iteration_keeps_the_handles_it_has_counted(raw_peers: RawPeers):
    """An iteration of asyncio's loop runs as many handles as there were at its start."""
    [connection] = await open_connections(raw_peers)
    loop = asyncio.get_running_loop()

    def write_late() -> None:
        # Longer than a write may stay corked.
        over = time.monotonic_ns() + 2_000_000
        while time.monotonic_ns() < over:
            pass
        connection.writer.write(b"nested ")

    async def step():
        loop.call_soon(write_late)
        connection.writer.write(b"step ")
        with current_task_suspended():
            loop._run_once()
        connection.writer.write(b"after")
        return "done"

    assert await run_in_poller_step(connection, step) == "done"
    assert connection.peer.receive(17) == b"step nested after"
    await abort_connections([connection])


# An iteration of asyncio's loop loses a callback if a nested one has run it already.
@pytest.mark.engine_only
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_nested_loop_in_a_plain_handler_accepts_other_connections(tls: Certificates, secure: bool):
    """A handler that is not a coroutine runs in the callback of the listener, or of the poller after a handshake."""
    accepted: list[asyncio.StreamWriter] = []
    opened: list[asyncio.StreamWriter] = []
    connecting: list[asyncio.Task] = []

    def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        if len(accepted) == 1:
            connecting.append(asyncio.create_task(connect()))
            run_nested_until(lambda: len(accepted) == 2)

    async def connect() -> None:
        client = {"ssl": tls.client_context, "server_hostname": "localhost"} if secure else {}
        _, writer = await sluiceway.open_connection(*server_address(server), **client)
        opened.append(writer)

    server = await sluiceway.start_server(handler, "127.0.0.1", 0, ssl=tls.server_context if secure else None)
    async with server:
        await connect()
        while len(accepted) < 2 or not connecting[0].done():
            await asyncio.sleep(0)
        for writer in accepted + opened:
            writer.transport.abort()


async def assert_answered(handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object], peers: RawPeers):
    """Assert that ``handler``, whose connection is a new one, receives what the peer sends, and answers."""
    async with await sluiceway.start_server(handler, "127.0.0.1", 0) as server:
        peer = peers.connect(server_address(server))
        peer.send(b"data")
        assert await peer.in_thread(peer.receive_rest) == b"data"


async def test_handler_that_is_no_coroutine_reads_in_a_nested_loop(raw_peers: RawPeers):
    def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = asyncio.ensure_future(reader.readexactly(4))
        run_nested_until(read.done)
        writer.write(read.result())
        writer.close()

    await assert_answered(handler, raw_peers)


async def test_first_step_of_a_handler_reads_in_a_nested_loop(raw_peers: RawPeers):
    """An eager task factory runs this step within connection_made()."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = asyncio.ensure_future(reader.readexactly(4))
        run_nested(read)
        writer.write(read.result())
        writer.close()

    await assert_answered(handler, raw_peers)
