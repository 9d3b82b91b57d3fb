"""What the Stream API gives to ``await`` is also accepted by asyncio's functions that take a coroutine."""

import asyncio
import sys
from typing import Any

import pytest

import sluiceway
from sluiceway.stream.asyncio_names import STREAM
from stream.streams import peer_stream
from support.manual_clock import manual_clock
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task


async def test_opening_can_be_run_by_a_task() -> None:
    pair = await asyncio.create_task(sluiceway.pair())
    async with pair[0] as one, pair[1] as other:
        await one.send(b"data")
        assert await other.read() == b"data"


async def never_resolve(host: str, port: int) -> list[str]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_cancelled_task_of_an_opening_opens_nothing() -> None:
    task = await start_task(sluiceway.connect("tcp://example.invalid:1", resolver=never_resolve))
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("call", ["connect", "frames", "lines"])
async def test_task_names_the_call_that_it_runs(raw_peers: RawPeers, call: str) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        if call == "connect":
            coroutine: Any = sluiceway.connect("tcp://example.invalid:1", resolver=never_resolve)
        else:
            coroutine = anext(getattr(stream, call)())
        task = asyncio.create_task(coroutine)
        assert f" coro=<{call}()>" in repr(task)
        task.cancel()
        await asyncio.wait([task])


async def test_closed_opening_opens_nothing_and_warns_not() -> None:
    opening = sluiceway.pair()
    opening.close()
    with pytest.raises(RuntimeError, match="was awaited or closed before"):
        await opening


def test_opening_whose_initialization_was_interrupted_is_freed_without_error() -> None:
    """A signal handler may raise where __init__() begins."""
    sluiceway.Opening.__new__(sluiceway.Opening).__del__()


async def test_use_of_call_that_was_not_awaited_names_what_to_do() -> None:
    opening: Any = sluiceway.pair()
    with pytest.raises(AttributeError, match=r"no attribute 'read_line'; use the result of 'await' or 'async with'"):
        opening.read_line()
    assert not hasattr(opening, "read_line")
    with pytest.raises(TypeError, match=r"pair\(\) cannot send data; use the result of 'await'"):
        opening.send(b"data")
    opening.close()


@pytest.mark.parametrize(
    ("name", "advice"),
    [("readline", "use read_line()"), ("write", "'await send()'"), ("wait_closed", "'await aclose()'")],
)
async def test_attribute_of_asyncio_raises_attribute_error_that_names_its_successor(name: str, advice: str) -> None:
    class Subclass(sluiceway.Stream):
        drain = "own"

    stream = Subclass.from_pair(sluiceway.StreamReader(), None)
    with pytest.raises(AttributeError, match=f"'Subclass' object has no attribute '{name}'") as caught:
        getattr(stream, name)
    assert (advice in str(caught.value)) is (sys.version_info >= (3, 12))
    assert (caught.value.name, caught.value.obj) == (name, stream)
    with pytest.raises(AttributeError, match="'Subclass' object has no attribute 'unknown'"):
        stream.unknown  # noqa: B018
    assert stream.drain == "own"


@pytest.mark.parametrize("name", sorted(STREAM))
def test_attribute_that_stream_explains_does_not_exist(name: str) -> None:
    """Mock(spec=Stream) and isinstance() with a Protocol would find it."""
    assert not [base for base in sluiceway.Stream.__mro__ if name in vars(base)]


async def test_stream_is_no_iterable_and_names_the_iterators(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        with pytest.raises(TypeError, match=r"iterate over Stream\.lines\(\), records\(\) or frames\(\), or call read"):
            async for _item in stream:  # type: ignore[attr-defined]
                pass


@pytest.mark.parametrize("arrived", [True, False])
async def test_item_of_an_iterator_can_be_read_by_a_task(raw_peers: RawPeers, arrived: bool) -> None:
    """A program waits for the next line and for something else at the same time."""
    async with peer_stream(raw_peers) as (stream, peer):
        lines = stream.lines()
        if arrived:
            peer.send(b"one\ntwo\n")
            await stream.peek(8)
        reading = asyncio.create_task(anext(lines))
        if not arrived:
            await run_iterations()
            peer.send(b"one\ntwo\n")
        done, _ = await asyncio.wait([reading])
        assert done == {reading}
        assert reading.result() == b"one\n"
        assert await asyncio.wait_for(anext(lines), 60) == b"two\n"
        peer.half_close()
        assert (await asyncio.gather(anext(lines, None), return_exceptions=True)) == [None]
        with pytest.raises(StopAsyncIteration):
            await asyncio.create_task(anext(lines))


async def test_cancelled_task_of_an_item_takes_nothing(raw_peers: RawPeers) -> None:
    """R1: also if the task was cancelled before its first step, and after its data has arrived."""
    async with peer_stream(raw_peers) as (stream, peer):
        lines = stream.lines()
        unstarted: asyncio.Task[bytes] = asyncio.create_task(anext(lines))
        unstarted.cancel()
        await asyncio.wait([unstarted])
        waiting = await start_task(anext(lines))
        peer.send(b"one\n")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert unstarted.cancelled()
        assert waiting.cancelled()
        assert await asyncio.create_task(anext(lines)) == b"one\n"


async def test_close_of_an_awaited_item_ends_its_wait(raw_peers: RawPeers) -> None:
    """A coroutine runner that is not asyncio's calls send() and close()."""
    async with peer_stream(raw_peers) as (stream, peer):
        lines = stream.lines()
        item: Any = anext(lines)
        item.close()
        # Outside a task.
        await asyncio.to_thread(item.close)
        assert asyncio.isfuture(item.send(None))
        with pytest.raises(RuntimeError, match="already waiting"):
            await stream.read_line()
        item.close()
        item.close()
        peer.send(b"one\n")
        assert await stream.read_line() == b"one\n"


async def test_close_of_an_item_that_another_task_waits_for_has_no_effect(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        item: Any = anext(stream.lines())
        reading = await start_task(item)
        item.close()
        peer.send(b"one\n")
        assert await reading == b"one\n"


async def test_second_task_of_an_item_raises_and_names_the_first(raw_peers: RawPeers) -> None:
    """R9."""
    async with peer_stream(raw_peers) as (stream, peer):
        lines = stream.lines()
        first = await start_task(anext(lines))
        first.set_name("the first")
        with pytest.raises(RuntimeError, match="the first"):
            await asyncio.create_task(anext(lines))
        peer.send(b"one\n")
        assert await first == b"one\n"


async def test_timed_item_can_be_read_by_a_task(raw_peers: RawPeers) -> None:
    """D1."""
    with manual_clock() as clock:
        async with peer_stream(raw_peers) as (stream, _):
            reading = await start_task(anext(stream.lines(timeout=5)))
            clock.advance(6)
            with pytest.raises(TimeoutError, match=r"lines\(\) timed out after 5 s"):
                await reading
