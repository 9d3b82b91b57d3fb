"""S12: private attributes of a StreamReader that programs use behave as in asyncio."""

import asyncio
import types

import pytest

import sluiceway
from support.connections import connected_pair
from support.fake_transports import CountingTransport
from support.scheduling import run_iterations, start_task


async def test_buffer_fetched_while_empty_receives_later_data(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    buffer = reader._buffer
    reader.feed_data(b"data")
    assert reader._buffer is buffer
    assert buffer == b"data"


async def test_bytes_assigned_as_buffer_are_read() -> None:
    """asyncio fails at the next feed_data, because its buffer must be a bytearray."""
    reader = sluiceway.StreamReader()
    reader.feed_data(b"old\n")
    reader._buffer = b"new\nrest"
    reader.feed_data(b"!")
    assert await reader.readline() == b"new\n"
    assert await reader.read(9) == b"rest!"


async def test_buffer_extended_during_readuntil_completes_it(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    task = await start_task(reader.readuntil(b"--"))
    reader.feed_data(b"abc")
    await run_iterations()
    reader._buffer.extend(b"d-")
    reader.feed_data(b"-rest")
    assert await task == b"abcd--"
    assert bytes(reader._buffer) == b"rest"


async def test_read_waits_again_if_buffer_is_cleared_before_task_resumes() -> None:
    """asyncio's read returns b"" here, as at the end of input."""
    reader = sluiceway.StreamReader()
    task = await start_task(reader.read(5))
    reader.feed_data(b"gone")
    reader._buffer.clear()
    await run_iterations()
    assert not task.done()
    reader.feed_data(b"next")
    assert await task == b"next"


async def test_bytearray_buffer_pauses_and_resumes_transport(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=4)
    transport = CountingTransport()
    reader.set_transport(transport)
    assert reader._buffer == b""
    reader.feed_data(b"12345678")
    assert not transport.paused
    reader.feed_data(b"9")
    assert transport.paused
    assert await reader.read(4) == b"1234"
    assert transport.paused
    assert await reader.read(1) == b"5"
    assert not transport.paused


async def test_overlong_line_in_bytearray_buffer_raises(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=4)
    assert reader._buffer == b""
    reader.feed_data(b"12345\nnext\n")
    with pytest.raises(asyncio.LimitOverrunError):
        await reader.readuntil()
    assert reader._buffer == b"12345\nnext\n"
    with pytest.raises(ValueError, match="Separator is found"):
        await reader.readline()
    assert await reader.readline() == b"next\n"


async def test_waiter_is_future_of_waiting_read(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    task = await start_task(reader.read(1))
    waiter = reader._waiter
    assert not waiter.done()
    reader._wakeup_waiter()
    assert waiter.done()
    assert reader._waiter is None
    reader.feed_data(b"x")
    assert await task == b"x"
    assert reader._waiter is None


async def test_iteration_over_waiter_of_a_connection_ends(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((reader, _), (_, far)):
        task = await start_task(reader.read(1))
        waiter = reader._waiter
        items = iter(waiter)
        assert next(items) is waiter
        with pytest.raises(RuntimeError, match="await wasn't used with future"):
            next(items)
        far.write(b"x")
        assert await task == b"x"


async def test_readline_calls_overridden_readuntil(streams: types.ModuleType) -> None:
    separators = []

    class Tracing(streams.StreamReader):  # type: ignore[misc, name-defined]
        async def readuntil(self, separator: bytes = b"\n") -> bytes:
            separators.append(separator)
            return bytes(await super().readuntil(separator))

    derived = Tracing()
    derived.feed_data(b"line\n")
    assert await derived.readline() == b"line\n"
    assert separators == [b"\n"]
    reader = streams.StreamReader()
    original = reader.readuntil

    async def readuntil(separator: bytes = b"\n") -> bytes:
        separators.append(b"instance")
        return bytes(await original(separator))

    reader.readuntil = readuntil
    reader.feed_data(b"line\n")
    assert await reader.readline() == b"line\n"
    assert separators == [b"\n", b"instance"]
