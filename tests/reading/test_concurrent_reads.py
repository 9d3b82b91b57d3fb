"""R9: a second simultaneous read raises at once and names the task that holds the stream; the first goes on."""

import asyncio
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.scheduling import run_iterations, start_task

FIRST: dict[str, tuple[Callable[[Any], Any], bytes]] = {
    "read": (lambda r: r.read(3), b"lin"),
    "read to the end": (lambda r: r.read(), b"line\nrest"),
    "readexactly": (lambda r: r.readexactly(7), b"line\nre"),
    "readline": (lambda r: r.readline(), b"line\n"),
    "readuntil": (lambda r: r.readuntil(b"e\n"), b"line\n"),
    "__anext__": (lambda r: r.__anext__(), b"line\n"),
}
SECOND: dict[str, Callable[[Any], Awaitable[bytes]]] = {
    "read(1)": lambda r: r.read(1),
    "read()": lambda r: r.read(),
    "readexactly(1)": lambda r: r.readexactly(1),
    "readline": lambda r: r.readline(),
    "readuntil": lambda r: r.readuntil(b"n"),
    "__anext__": lambda r: r.__anext__(),
}


@pytest.mark.loops("asyncio", "eager")
@pytest.mark.parametrize("second", SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
@pytest.mark.parametrize("fed", [b"", b"l", b"line\nrest"], ids=["no data", "a part", "all data, first not yet run"])
async def test_the_second_is_refused_and_the_first_undisturbed(
    first: tuple[Callable[[Any], Any], bytes], second: Callable[[Any], Any], fed: bytes
) -> None:
    reader = sluiceway.StreamReader()
    call, result = first
    holder = await start_task(call(reader), name="the holder")
    reader.feed_data(fed)
    with pytest.raises(RuntimeError, match="called while another coroutine is already waiting") as refused:
        second(reader).send(None)  # type: ignore[attr-defined] # at its first step
    assert "'the holder'" in str(refused.value)
    # A first read that a part suffices for has ended by then; all others see every byte.
    reader.feed_data(b"line\nrest"[len(fed) :])
    reader.feed_eof()
    assert await holder == result
    assert await reader.read() == b"line\nrest"[len(result) :]


@pytest.mark.parametrize(("name", "arguments"), [("read", (1,)), ("readexactly", (1,)), ("readline", ())])
async def test_each_side_is_named(name: str, arguments: tuple[int, ...]) -> None:
    reader = sluiceway.StreamReader()
    holder = await start_task(reader.readuntil(b"--"), name="kept")
    with pytest.raises(RuntimeError) as refused:
        await getattr(reader, name)(*arguments)
    message = str(refused.value)
    assert message.startswith(f"{name}() called while another coroutine is already waiting for incoming data")
    assert "readuntil()" in message
    assert "'kept'" in message
    reader.feed_data(b"--")
    assert await holder == b"--"


async def test_the_reference_refuses_a_second_wait_too(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    holder = await start_task(reader.readline())
    for read in (reader.read(1), reader.readline(), reader.readexactly(2), reader.readuntil(b"x")):
        with pytest.raises(RuntimeError, match="already waiting for incoming data"):
            await read
    reader.feed_data(b"line\n")
    assert await holder == b"line\n"


async def test_the_stream_is_free_after_every_kind_of_end() -> None:
    reader = sluiceway.StreamReader(limit=4)
    returned = await start_task(reader.read(1))
    reader.feed_data(b"x")
    assert await returned == b"x"
    cancelled = await start_task(reader.readline())
    cancelled.cancel()
    await run_iterations()
    overrun = await start_task(reader.readuntil(b"|"))
    reader.feed_data(b"too long")
    with pytest.raises(asyncio.LimitOverrunError):
        await overrun
    assert await reader.readexactly(8) == b"too long"
    ended = await start_task(reader.readexactly(3))
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError):
        await ended
    assert await reader.read() == b""


async def test_a_cancelled_holder_is_named_until_it_has_let_go() -> None:
    reader = sluiceway.StreamReader()
    holder = await start_task(reader.readline(), name="going")
    holder.cancel()
    with pytest.raises(RuntimeError, match="'going'"):
        reader.read(1).send(None)
    await run_iterations()
    reader.feed_data(b"x")
    assert await reader.read(1) == b"x"


async def test_many_tasks_at_one_stream() -> None:
    async with connected_pair(sluiceway) as ((reader, _), (_, far)):
        tasks = [asyncio.create_task(reader.readline(), name=f"task {number}") for number in range(20)]
        await run_iterations()
        far.write(b"one line\n")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] == b"one line\n"
        assert all(isinstance(one, RuntimeError) and "'task 0'" in str(one) for one in results[1:])


@pytest.mark.parametrize("name", ["read", "readexactly"])
async def test_a_read_of_nothing_disturbs_nobody(streams: types.ModuleType, name: str) -> None:
    """n = 0 gives b"" at once, whoever waits."""
    reader = streams.StreamReader()
    holder = await start_task(reader.readline(), name="the holder")
    assert await getattr(reader, name)(0) == b""
    reader.feed_data(b"line\n")
    assert await holder == b"line\n"
