"""R9: a second simultaneous read raises RuntimeError that names the reading task; the first read continues."""

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
@pytest.mark.parametrize(
    "fed", [b"", b"l", b"line\nrest"], ids=["no data", "part", "all data before first read resumes"]
)
async def test_second_read_raises_and_first_returns_its_data(
    first: tuple[Callable[[Any], Any], bytes], second: Callable[[Any], Any], fed: bytes
) -> None:
    reader = sluiceway.StreamReader()
    call, result = first
    reading_task = await start_task(call(reader), name="the reading task")
    reader.feed_data(fed)
    with pytest.raises(RuntimeError, match="called while another coroutine is already waiting") as raised:
        second(reader).send(None)  # type: ignore[attr-defined] # at its first step
    assert "'the reading task'" in str(raised.value)
    # A first read for which a part is enough has completed; all others get every byte.
    reader.feed_data(b"line\nrest"[len(fed) :])
    reader.feed_eof()
    assert await reading_task == result
    assert await reader.read() == b"line\nrest"[len(result) :]


@pytest.mark.parametrize(("name", "arguments"), [("read", (1,)), ("readexactly", (1,)), ("readline", ())])
async def test_error_of_second_read_names_both_methods_and_task(name: str, arguments: tuple[int, ...]) -> None:
    reader = sluiceway.StreamReader()
    reading_task = await start_task(reader.readuntil(b"--"), name="kept")
    with pytest.raises(RuntimeError) as raised:
        await getattr(reader, name)(*arguments)
    message = str(raised.value)
    assert message.startswith(f"{name}() called while another coroutine is already waiting for incoming data")
    assert "readuntil()" in message
    assert "'kept'" in message
    reader.feed_data(b"--")
    assert await reading_task == b"--"


async def test_second_read_raises_already_waiting_error(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    reading_task = await start_task(reader.readline())
    for read in (reader.read(1), reader.readline(), reader.readexactly(2), reader.readuntil(b"x")):
        with pytest.raises(RuntimeError, match="already waiting for incoming data"):
            await read
    reader.feed_data(b"line\n")
    assert await reading_task == b"line\n"


async def test_read_is_possible_after_each_way_a_read_ends() -> None:
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


async def test_cancelled_read_is_named_until_its_task_has_run() -> None:
    reader = sluiceway.StreamReader()
    reading_task = await start_task(reader.readline(), name="going")
    reading_task.cancel()
    with pytest.raises(RuntimeError, match="'going'"):
        reader.read(1).send(None)
    await run_iterations()
    reader.feed_data(b"x")
    assert await reader.read(1) == b"x"


async def test_first_of_many_reading_tasks_gets_line_and_others_raise() -> None:
    async with connected_pair(sluiceway) as ((reader, _), (_, far)):
        tasks = [asyncio.create_task(reader.readline(), name=f"task {number}") for number in range(20)]
        await run_iterations()
        far.write(b"one line\n")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] == b"one line\n"
        assert all(isinstance(one, RuntimeError) and "'task 0'" in str(one) for one in results[1:])


@pytest.mark.parametrize("name", ["read", "readexactly"])
async def test_zero_byte_read_returns_empty_while_another_read_waits(streams: types.ModuleType, name: str) -> None:
    reader = streams.StreamReader()
    reading_task = await start_task(reader.readline(), name="the reading task")
    assert await getattr(reader, name)(0) == b""
    reader.feed_data(b"line\n")
    assert await reading_task == b"line\n"
