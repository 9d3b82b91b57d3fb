"""Contract W9: what is written within a step of the poller leaves together, in order, complete, and in time."""

import asyncio
import functools
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import sluiceway
from engine.ends import End, closed, opened, stepped, waiting
from support.certificates import Certificates
from support.peer import Peers

SMALL = [b"%d," % number for number in range(200)]


def arrived(end: End) -> bytes:
    """What is in the peer's kernel already."""
    end.wire.sock.setblocking(False)
    try:
        return end.wire.sock.recv(1 << 20)
    except BlockingIOError:
        return b""
    finally:
        end.wire.sock.settimeout(10)


async def together(ends: list[End], *steps: Callable[[], Coroutine[Any, Any, Any]]) -> list[Any]:
    """Await each of ``steps`` in a step for one of ``ends``, all in one round of the poller, in their order."""

    async def handle(end: End, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await end.reader.readexactly(1)
        return await step()

    tasks = [asyncio.create_task(handle(end, step)) for end, step in zip(ends, steps, strict=True)]
    await waiting(*ends)
    for end in ends:
        end.wire.send(b"!")
    return await asyncio.gather(*tasks)


@pytest.mark.parametrize("ending", ["close", "write_eof", "wait", "event", "return"])
async def test_small_writes_leave_in_order_before(peer: Peers, ending: str):
    [end] = await opened(peer)
    going_on = asyncio.Event()

    async def step():
        for piece in SMALL:
            end.writer.write(piece)
        if ending == "close":
            end.writer.close()
            await end.writer.wait_closed()
        elif ending == "write_eof":
            end.writer.write_eof()
        elif ending == "wait":
            await end.reader.readexactly(1)
        elif ending == "event":
            await going_on.wait()

    stepping = asyncio.create_task(stepped(end, step))
    expected = b"".join(SMALL)
    assert await end.wire.in_thread(end.wire.receive, len(expected)) == expected
    if ending in ("close", "write_eof"):
        assert await end.wire.in_thread(end.wire.receive_rest) == b""
    if ending == "wait":
        end.wire.send(b"x")
    going_on.set()
    await stepping
    await end.close()


async def test_they_wait_for_the_end_of_the_step(peer: Peers):
    [end] = await opened(peer)

    async def step():
        end.writer.write(b"a")
        seen = arrived(end)
        end.writer.write(b"b")
        return seen

    # Where this fails, nothing here tests corking.
    assert await stepped(end, step) == b""
    assert end.wire.receive(2) == b"ab"
    await end.close()


async def test_outside_a_step_nothing_waits(peer: Peers):
    [end] = await opened(peer)
    end.writer.write(b"at once")
    assert arrived(end) == b"at once"
    assert end.transport.get_write_buffer_size() == 0
    await end.close()


@pytest.mark.parametrize("who", ["the same task", "the next task"])
async def test_before_abort(peer: Peers, who: str):
    """As it would have left at once."""
    ends = await opened(peer, 2)

    async def write() -> None:
        ends[0].writer.write(b"answer")
        if who == "the same task":
            ends[0].transport.abort()

    async def abort() -> None:
        ends[0].transport.abort()

    await together(ends, write, abort)
    assert ends[0].wire.receive(6) == b"answer"
    await closed(ends)


@pytest.mark.parametrize("size", [65535, 65536, 65537, 200_000, 3_000_000])
@pytest.mark.parametrize("piece", [1000, 70_000])
async def test_more_than_may_wait(peer: Peers, size: int, piece: int):
    [end] = await opened(peer)
    data = os.urandom(size)
    receiving = asyncio.create_task(end.wire.in_thread(end.wire.receive, size + 4))

    async def step():
        for at in range(0, size, piece):
            end.writer.write(data[at : at + piece])
        end.writer.write(b"last")
        await end.writer.drain()

    await stepped(end, step)
    assert await receiving == data + b"last"
    await end.close()


async def test_at_64_kib_they_leave_within_the_step(peer: Peers):
    [end] = await opened(peer)

    async def step():
        for _ in range(64):
            end.writer.write(bytes(1024))
        return end.transport.get_write_buffer_size(), arrived(end)

    held, seen = await stepped(end, step)
    assert held < 65536
    assert seen
    await end.close()


@pytest.mark.parametrize("later", ["write", "drain"])
async def test_a_millisecond_after_the_first_they_leave(peer: Peers, later: str):
    [end] = await opened(peer)

    async def step():
        end.writer.write(b"first ")
        began = time.monotonic()
        while time.monotonic() - began < 0.003:
            pass
        if later == "write":
            end.writer.write(b"second")
        else:
            await end.writer.drain()
        return arrived(end)

    assert (await stepped(end, step)).startswith(b"first ")
    await end.close()


async def test_what_a_round_of_tasks_writes_leaves_when_all_have_blocked(peer: Peers):
    """Unless that takes a millisecond, which it may on a busy machine: then it is tried again, but not for ever."""
    ends = await opened(peer, 3)
    for _ in range(100):
        written: list[float] = []

        async def write(number: int, written: list[float] = written) -> tuple[bool, tuple[bytes, ...]]:
            written.append(time.monotonic())
            ends[number].writer.write(b"%d" % number)
            seen = tuple(map(arrived, ends))
            return time.monotonic() - written[0] < 0.001, seen

        rounds = await together(ends, *(functools.partial(write, number) for number in range(3)))
        arriving = [b"".join(seen[number] for _, seen in rounds) for number in range(3)]
        for number, end in enumerate(ends):
            assert (arriving[number] or end.wire.receive(1)) == b"%d" % number
        if all(in_time for in_time, _ in rounds):
            assert arriving == [b"", b"", b""]
            break
    await closed(ends)


@pytest.mark.parametrize("later", ["write", "the next task"])
async def test_a_millisecond_after_the_first_of_a_round_all_of_it_leaves(peer: Peers, later: str):
    """A task that takes long holds up no more than it must."""
    ends = await opened(peer, 3)

    async def write() -> bytes:
        ends[0].writer.write(b"first")
        return arrived(ends[0])

    async def dawdle() -> bytes:
        ends[1].writer.write(b"a")
        began = time.monotonic()
        while time.monotonic() - began < 0.003:
            pass
        if later == "write":
            ends[1].writer.write(b"b")
        return arrived(ends[0])

    async def look() -> bytes:
        return arrived(ends[0])

    before, during, behind = await together(ends, write, dawdle, look)
    assert before == b""
    # At the latest: a busy machine may have taken its millisecond before.
    assert (during if later == "write" else during + behind) == b"first"
    await closed(ends)


async def test_no_room_left_behind_what_was_corked(peer: Peers):
    """The limits are lowered to nothing while data waits: it leaves, and the pause that was told is taken back."""
    [end] = await opened(peer)

    async def step():
        end.writer.write(b"first ")
        end.transport.set_write_buffer_limits(0)
        end.writer.write(b"second ")
        await end.writer.drain()
        end.writer.write(b"third")
        await end.writer.drain()
        return end.transport.get_write_buffer_size()

    assert await stepped(end, step) == 0
    assert end.wire.receive(18) == b"first second third"
    await end.close()


async def test_above_the_high_water_mark_they_leave_before_anybody_is_paused(peer: Peers):
    [end] = await opened(peer)
    end.transport.set_write_buffer_limits(100)
    paused = []
    end.writer._protocol.pause_writing = lambda: paused.append(True)

    async def step():
        end.writer.write(b"x" * 100)
        before = arrived(end)
        end.writer.write(b"y")
        return before, arrived(end)

    assert await stepped(end, step) == (b"", b"x" * 100 + b"y")
    assert not paused
    await end.close()


@pytest.mark.parametrize("high", [0, 1, 100])
async def test_drains_with_hardly_any_room(peer: Peers, high: int):
    [end] = await opened(peer)
    end.transport.set_write_buffer_limits(high)

    async def step():
        for piece in SMALL:
            end.writer.write(piece)
            await end.writer.drain()

    await stepped(end, step)
    expected = b"".join(SMALL)
    assert await end.wire.in_thread(end.wire.receive, len(expected)) == expected
    await end.close()


async def test_the_socket_is_handed_over_with_nothing_waiting(peer: Peers):
    [end] = await opened(peer)

    async def step():
        end.writer.write(b"by the writer, ")
        os.write(end.writer.get_extra_info("socket").fileno(), b"by its descriptor")

    await stepped(end, step)
    assert end.wire.receive(32) == b"by the writer, by its descriptor"
    await end.close()


async def test_many_connections_are_written_to_in_one_step(peer: Peers):
    ends = await opened(peer, 20)

    async def step():
        for number in range(50):
            for end in ends:
                end.writer.write(b"%02d" % number)

    await stepped(ends[0], step)
    for end in ends:
        assert end.wire.receive(100) == b"".join(b"%02d" % number for number in range(50))
        await end.close()


async def test_before_start_tls(peer: Peers, tls: Certificates):
    def answer(wire):
        assert wire.receive(3) == b"abc"
        wire.send(b"!")
        assert wire.receive(6) == b"UPTLS\n"
        wire.start_tls(tls.server_context, server_side=True)
        wire.send(b"secret")
        return wire.receive(5)

    script = peer.serve(answer)
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
