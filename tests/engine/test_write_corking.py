"""Contract W9: what is written within a step of the poller leaves together, in order, complete, and in time."""

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
    loops_that_step,
    open_connections,
    run_in_poller_step,
    wait_for_readers,
)
from support.certificates import Certificates
from support.raw_peer import RawPeers

SMALL = [b"%d," % number for number in range(200)]


def arrived(connection: PeerConnection) -> bytes:
    """What is in the peer's kernel already."""
    connection.peer.sock.setblocking(False)
    try:
        return connection.peer.sock.recv(1 << 20)
    except BlockingIOError:
        return b""
    finally:
        connection.peer.sock.settimeout(10)


async def together(connections: list[PeerConnection], *steps: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """Await each of ``steps`` in a step for one of ``ends``, all in one round of the poller, in their order."""

    async def handle(connection: PeerConnection, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await connection.reader.readexactly(1)
        return await step()

    tasks = [asyncio.create_task(handle(connection, step)) for connection, step in zip(connections, steps, strict=True)]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"!")
    return await asyncio.gather(*tasks)


@pytest.mark.parametrize("ending", ["close", "write_eof", "wait", "event", "return"])
async def test_small_writes_leave_in_order_before(raw_peers: RawPeers, ending: str):
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


@loops_that_step
async def test_they_wait_for_the_end_of_the_step(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        connection.writer.write(b"a")
        seen = arrived(connection)
        connection.writer.write(b"b")
        return seen

    # Where this fails, nothing here tests corking.
    assert await run_in_poller_step(connection, step) == b""
    assert connection.peer.receive(2) == b"ab"
    await connection.close()


async def test_outside_a_step_nothing_waits(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.writer.write(b"at once")
    assert arrived(connection) == b"at once"
    assert connection.transport.get_write_buffer_size() == 0
    await connection.close()


@pytest.mark.parametrize("who", ["the same task", "the next task"])
async def test_before_abort(raw_peers: RawPeers, who: str):
    """As it would have left at once."""
    connections = await open_connections(raw_peers, 2)

    async def write() -> None:
        connections[0].writer.write(b"answer")
        if who == "the same task":
            connections[0].transport.abort()

    async def abort() -> None:
        connections[0].transport.abort()

    await together(connections, write, abort)
    assert connections[0].peer.receive(6) == b"answer"
    await abort_connections(connections)


@pytest.mark.parametrize("size", [65535, 65536, 65537, 200_000, 3_000_000])
@pytest.mark.parametrize("piece", [1000, 70_000])
async def test_more_than_may_wait(raw_peers: RawPeers, size: int, piece: int):
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


async def test_at_64_kib_they_leave_within_the_step(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        for _ in range(64):
            connection.writer.write(bytes(1024))
        return connection.transport.get_write_buffer_size(), arrived(connection)

    held, seen = await run_in_poller_step(connection, step)
    assert held < 65536
    assert seen
    await connection.close()


@pytest.mark.parametrize("later", ["write", "drain"])
async def test_a_millisecond_after_the_first_they_leave(raw_peers: RawPeers, later: str):
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
        return arrived(connection)

    assert (await run_in_poller_step(connection, step)).startswith(b"first ")
    await connection.close()


@loops_that_step
async def test_what_a_round_of_tasks_writes_leaves_when_all_have_blocked(raw_peers: RawPeers):
    """Unless that takes a millisecond, which it may on a busy machine: then it is tried again, but not for ever."""
    connections = await open_connections(raw_peers, 3)
    for _ in range(100):
        written: list[float] = []

        async def write(number: int, written: list[float] = written) -> tuple[bool, tuple[bytes, ...]]:
            written.append(time.monotonic())
            connections[number].writer.write(b"%d" % number)
            seen = tuple(map(arrived, connections))
            return time.monotonic() - written[0] < 0.001, seen

        rounds = await together(connections, *(functools.partial(write, number) for number in range(3)))
        arriving = [b"".join(seen[number] for _, seen in rounds) for number in range(3)]
        for number, connection in enumerate(connections):
            assert (arriving[number] or connection.peer.receive(1)) == b"%d" % number
        if all(in_time for in_time, _ in rounds):
            assert arriving == [b"", b"", b""]
            break
    await abort_connections(connections)


@loops_that_step
@pytest.mark.parametrize("later", ["write", "the next task"])
async def test_a_millisecond_after_the_first_of_a_round_all_of_it_leaves(raw_peers: RawPeers, later: str):
    """A task that takes long holds up no more than it must."""
    connections = await open_connections(raw_peers, 3)

    async def write() -> bytes:
        connections[0].writer.write(b"first")
        return arrived(connections[0])

    async def dawdle() -> bytes:
        connections[1].writer.write(b"a")
        began = time.monotonic()
        while time.monotonic() - began < 0.003:
            pass
        if later == "write":
            connections[1].writer.write(b"b")
        return arrived(connections[0])

    async def look() -> bytes:
        return arrived(connections[0])

    before, during, behind = await together(connections, write, dawdle, look)
    assert before == b""
    # At the latest: a busy machine may have taken its millisecond before.
    assert (during if later == "write" else during + behind) == b"first"
    await abort_connections(connections)


async def test_no_room_left_behind_what_was_corked(raw_peers: RawPeers):
    """The limits are lowered to nothing while data waits: it leaves, and the pause that was told is taken back."""
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


@loops_that_step
async def test_above_the_high_water_mark_they_leave_before_anybody_is_paused(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    connection.transport.set_write_buffer_limits(100)
    paused = []
    connection.writer._protocol.pause_writing = lambda: paused.append(True)

    async def step():
        connection.writer.write(b"x" * 100)
        before = arrived(connection)
        connection.writer.write(b"y")
        return before, arrived(connection)

    assert await run_in_poller_step(connection, step) == (b"", b"x" * 100 + b"y")
    assert not paused
    await connection.close()


@pytest.mark.parametrize("high", [0, 1, 100])
async def test_drains_with_hardly_any_room(raw_peers: RawPeers, high: int):
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


async def test_the_socket_is_handed_over_with_nothing_waiting(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def step():
        connection.writer.write(b"by the writer, ")
        os.write(connection.writer.get_extra_info("socket").fileno(), b"by its descriptor")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(32) == b"by the writer, by its descriptor"
    await connection.close()


async def test_many_connections_are_written_to_in_one_step(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 20)

    async def step():
        for number in range(50):
            for connection in connections:
                connection.writer.write(b"%02d" % number)

    await run_in_poller_step(connections[0], step)
    for connection in connections:
        assert connection.peer.receive(100) == b"".join(b"%02d" % number for number in range(50))
        await connection.close()


async def test_before_start_tls(raw_peers: RawPeers, tls: Certificates):
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
