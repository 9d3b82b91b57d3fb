"""W9: writes within a step of the poller are corked: sent together, in order, and at the latest after 1 ms."""

import asyncio
import functools
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import (
    PeerConnection,
    abort_connections,
    loops_with_immediate_wakeup,
    loops_with_rounds,
    open_connections,
    receive_available,
    run_in_poller_step,
    wait_for_readers,
)
from support.certificates import Certificates
from support.raw_peer import RawPeers
from support.timeouts import TIMEOUT_SCALE

SMALL = [b"%d," % number for number in range(200)]


async def run_in_one_round(
    connections: list[PeerConnection], *steps: Callable[[], Coroutine[Any, Any, Any]]
) -> list[Any]:
    """Await ``steps``, each in a step for one of ``connections``, all in one round of the poller, in their order."""

    async def handle(connection: PeerConnection, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await connection.reader.readexactly(1)
        return await step()

    tasks = [asyncio.create_task(handle(connection, step)) for connection, step in zip(connections, steps, strict=True)]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"!")
    return await asyncio.gather(*tasks)


@pytest.mark.parametrize("ending", ["close", "write_eof", "wait", "event", "return"])
async def test_small_writes_of_a_step_are_sent_in_order(raw_peers: RawPeers, ending: str):
    [connection] = await open_connections(raw_peers)
    going_on = asyncio.Event()

    async def step():
        for piece in SMALL:
            connection.writer.write(piece)
        if ending == "close":
            connection.writer.close()
            await connection.writer.wait_closed()
        elif ending == "write_eof":
            connection.writer.write_eof()
        elif ending == "wait":
            await connection.reader.readexactly(1)
        elif ending == "event":
            await going_on.wait()

    stepping = asyncio.create_task(run_in_poller_step(connection, step))
    expected = b"".join(SMALL)
    assert await connection.peer.in_thread(connection.peer.receive, len(expected)) == expected
    if ending in ("close", "write_eof"):
        assert await connection.peer.in_thread(connection.peer.receive_rest) == b""
    if ending == "wait":
        connection.peer.send(b"x")
    going_on.set()
    await stepping
    await connection.close()


@loops_with_immediate_wakeup
async def test_writes_in_a_step_are_sent_at_its_end(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        connection.writer.write(b"a")
        seen = receive_available(connection.peer)
        connection.writer.write(b"b")
        return seen

    # If this fails, no test of this file tests corking.
    assert await run_in_poller_step(connection, step) == b""
    assert connection.peer.receive(2) == b"ab"
    await connection.close()


class AppendingHandle(asyncio.Handle):
    """A handle whose comparison appends to the queue of the loop, as another thread may do during a comparison."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        loop: Any = asyncio.get_running_loop()
        loop._ready.append(asyncio.Handle(bool, (), loop))
        return NotImplemented


@pytest.mark.loops("asyncio", "eager")
async def test_corked_write_in_a_queue_that_other_threads_extend_is_sent(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    loop: Any = asyncio.get_running_loop()

    async def step():
        loop._ready.append(AppendingHandle(bool, (), loop))
        connection.writer.write(b"sent")
        # The task waits: a task that ends appends a handle of its own.
        await connection.reader.readexactly(1)

    stepping = asyncio.create_task(run_in_poller_step(connection, step))
    assert await connection.peer.in_thread(connection.peer.receive, 4) == b"sent"
    connection.peer.send(b"x")
    await stepping
    await connection.close()


async def test_write_outside_a_step_is_sent_immediately(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.writer.write(b"at once")
    assert connection.peer.receive(7) == b"at once"
    assert connection.transport.get_write_buffer_size() == 0
    await connection.close()


@pytest.mark.parametrize("aborting_task", ["the same task", "the next task"])
async def test_corked_write_is_sent_before_abort(raw_peers: RawPeers, aborting_task: str):
    """W9: without corking it would have been sent before."""
    connections = await open_connections(raw_peers, 2)

    async def write() -> None:
        connections[0].writer.write(b"answer")
        if aborting_task == "the same task":
            connections[0].transport.abort()

    async def abort() -> None:
        connections[0].transport.abort()

    await run_in_one_round(connections, write, abort)
    assert connections[0].peer.receive(6) == b"answer"
    await abort_connections(connections)


@pytest.mark.parametrize("size", [65535, 65536, 65537, 200_000, 3_000_000])
@pytest.mark.parametrize("piece", [1000, 70_000])
async def test_writes_larger_than_the_cork_arrive_completely(raw_peers: RawPeers, size: int, piece: int):
    [connection] = await open_connections(raw_peers)
    data = os.urandom(size)
    receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, size + 4))

    async def step():
        for at in range(0, size, piece):
            connection.writer.write(data[at : at + piece])
        connection.writer.write(b"last")
        await connection.writer.drain()

    await run_in_poller_step(connection, step)
    assert await receiving == data + b"last"
    await connection.close()


async def test_corked_writes_of_64_kib_are_sent_within_the_step(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        for _ in range(64):
            connection.writer.write(bytes(1024))
        return connection.transport.get_write_buffer_size(), connection.peer.receive(1)

    held, seen = await run_in_poller_step(connection, step)
    assert held < 65536
    assert seen == b"\0"
    await connection.close()


@pytest.mark.parametrize("later", ["write", "drain"])
async def test_corked_write_is_sent_by_a_call_one_millisecond_later(raw_peers: RawPeers, later: str):
    [connection] = await open_connections(raw_peers)

    async def step():
        connection.writer.write(b"first ")
        began = time.monotonic()
        while time.monotonic() - began < 0.003:
            pass
        if later == "write":
            connection.writer.write(b"second")
        else:
            await connection.writer.drain()
        return connection.peer.receive(6)

    assert await run_in_poller_step(connection, step) == b"first "
    await connection.close()


@loops_with_rounds
async def test_writes_of_all_tasks_of_a_round_are_sent_at_its_end(raw_peers: RawPeers):
    """W9: unless a round takes a millisecond, as it may on a loaded machine; one of a hundred must be faster."""
    connections = await open_connections(raw_peers, 3)
    for _ in range(100):
        # Before the round: its time limit begins when its first event is served, and may end it before a write.
        began = time.monotonic()

        async def write(number: int, began: float = began) -> tuple[bool, list[bytes]]:
            connections[number].writer.write(b"%d" % number)
            received = [receive_available(connection.peer) for connection in connections]
            return time.monotonic() - began < 0.001, received

        results = await run_in_one_round(connections, *(functools.partial(write, number) for number in range(3)))
        in_round = [b"".join(received[number] for _, received in results) for number in range(3)]
        for number, connection in enumerate(connections):
            assert (in_round[number] or connection.peer.receive(1)) == b"%d" % number
        if all(in_time for in_time, _ in results):
            assert in_round == [b"", b"", b""]
            break
    else:
        if TIMEOUT_SCALE > 1:
            pytest.skip("this interpreter runs too slowly for a round within a millisecond")
        pytest.fail("none of a hundred rounds took less than a millisecond")
    await abort_connections(connections)


@loops_with_immediate_wakeup
@pytest.mark.parametrize("later", ["write", "the next task"])
async def test_writes_of_a_round_are_sent_one_millisecond_after_the_first(raw_peers: RawPeers, later: str):
    """W9: a slow task delays the writes of other tasks by at most 1 ms and its own step."""
    connections = await open_connections(raw_peers, 3)

    async def write() -> bytes:
        connections[0].writer.write(b"first")
        return receive_available(connections[0].peer)

    async def write_slowly() -> bytes:
        connections[1].writer.write(b"a")
        began = time.monotonic()
        while time.monotonic() - began < 0.003:
            pass
        if later == "the next task":
            return b""
        connections[1].writer.write(b"b")
        return connections[0].peer.receive(5)

    async def receive() -> bytes:
        return connections[0].peer.receive(5) if later == "the next task" else b""

    before, during, after = await run_in_one_round(connections, write, write_slowly, receive)
    assert (before, during + after) == (b"", b"first")
    await abort_connections(connections)


async def test_corked_write_above_a_lowered_high_water_mark_is_sent_and_drain_returns(raw_peers: RawPeers):
    """W9: lowering the limits pauses writing, and sending the data resumes it."""
    [connection] = await open_connections(raw_peers)

    async def step():
        connection.writer.write(b"first ")
        connection.transport.set_write_buffer_limits(0)
        connection.writer.write(b"second ")
        await connection.writer.drain()
        connection.writer.write(b"third")
        await connection.writer.drain()
        return connection.transport.get_write_buffer_size()

    assert await run_in_poller_step(connection, step) == 0
    assert connection.peer.receive(18) == b"first second third"
    await connection.close()


@pytest.mark.engine_only
@loops_with_immediate_wakeup
async def test_corked_writes_above_the_high_water_mark_are_sent_instead_of_pausing(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.set_write_buffer_limits(100)
    paused = []
    connection.writer._protocol.pause_writing = lambda: paused.append(True)

    async def step():
        connection.writer.write(b"x" * 100)
        before = receive_available(connection.peer)
        connection.writer.write(b"y")
        return before, connection.peer.receive(101)

    assert await run_in_poller_step(connection, step) == (b"", b"x" * 100 + b"y")
    assert not paused
    await connection.close()


@pytest.mark.parametrize("high", [0, 1, 100])
async def test_drain_after_each_write_with_a_small_high_water_mark_loses_nothing(raw_peers: RawPeers, high: int):
    [connection] = await open_connections(raw_peers)
    connection.transport.set_write_buffer_limits(high)

    async def step():
        for piece in SMALL:
            connection.writer.write(piece)
            await connection.writer.drain()

    await run_in_poller_step(connection, step)
    expected = b"".join(SMALL)
    assert await connection.peer.in_thread(connection.peer.receive, len(expected)) == expected
    await connection.close()


async def test_writes_to_many_connections_in_one_step_all_arrive(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 20)

    async def step():
        for number in range(50):
            for connection in connections:
                connection.writer.write(b"%02d" % number)

    await run_in_poller_step(connections[0], step)
    for connection in connections:
        assert connection.peer.receive(100) == b"".join(b"%02d" % number for number in range(50))
        await connection.close()


async def test_corked_write_is_sent_before_start_tls(raw_peers: RawPeers, tls: Certificates):
    def answer(peer):
        assert peer.receive(3) == b"abc"
        peer.send(b"!")
        assert peer.receive(6) == b"UPTLS\n"
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"secret")
        return peer.receive(5)

    script = raw_peers.serve(answer)
    reader, writer = await sluiceway.open_connection(*script.address)

    async def handle():
        writer.write(b"abc")
        await reader.readexactly(1)
        for piece in (b"UP", b"TLS", b"\n"):
            writer.write(piece)
        await writer.start_tls(tls.client_context, server_hostname="localhost")
        assert await reader.readexactly(6) == b"secret"
        writer.write(b"again")
        await writer.drain()

    await asyncio.create_task(handle())
    assert await script.finished() == b"again"
    writer.close()
    await writer.wait_closed()
