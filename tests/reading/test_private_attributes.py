"""S12: what people touch inside a StreamReader does what it does in asyncio; it may cost speed, never bytes."""

import asyncio
import types

import pytest

import sluiceway
from support.connections import connected_pair
from support.fake_transports import CountingTransport
from support.scheduling import run_iterations, start_task, wait_until


async def test_the_buffer_is_a_bytearray_that_stays_the_same_object(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"one")
    reader.feed_data(b"two" * 10_000)
    buffer = reader._buffer
    assert type(buffer) is bytearray
    assert buffer == b"one" + b"two" * 10_000
    assert await reader.read(3) == b"one"
    reader.feed_data(b"three\n")
    assert (await reader.readline()).endswith(b"twothree\n")
    assert reader._buffer is buffer
    assert buffer == b""
    reader.feed_data(b"seen")
    assert buffer == b"seen"


async def test_an_untouched_empty_buffer_is_live_too(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    buffer = reader._buffer
    reader.feed_data(b"data")
    assert reader._buffer is buffer
    assert buffer == b"data"


async def test_cleared(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"plaintext after STARTTLS\n")
    reader._buffer.clear()
    reader.feed_data(b"line\n")
    assert await reader.readline() == b"line\n"


async def test_extended_and_pushed_back(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"line\n")
    taken = await reader.read(3)
    reader._buffer[0:0] = taken
    reader._buffer.extend(b"more")
    reader._buffer += b"!\n"
    assert await reader.readline() == b"line\n"
    assert await reader.readline() == b"more!\n"


async def test_cut_in_place(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"skip this: value\n")
    del reader._buffer[:11]
    assert await reader.readuntil(b"\n") == b"value\n"


async def test_assigned(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"old\n")
    value = bytearray(b"new\nrest")
    reader._buffer = value
    assert reader._buffer is value
    assert await reader.readline() == b"new\n"
    reader.feed_data(b"!")
    assert value == b"rest!"
    assert await reader.read(9) == b"rest!"


async def test_bytes_assigned() -> None:
    """asyncio fails at the next feed_data: its buffer has to be a bytearray."""
    reader = sluiceway.StreamReader()
    reader.feed_data(b"old\n")
    reader._buffer = b"new\nrest"
    reader.feed_data(b"!")
    assert await reader.readline() == b"new\n"
    assert await reader.read(9) == b"rest!"


async def test_touched_while_a_read_waits(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    task = await start_task(reader.readuntil(b"--"))
    reader.feed_data(b"abc")
    await run_iterations()
    reader._buffer.extend(b"d-")
    reader.feed_data(b"-rest")
    assert await task == b"abcd--"
    assert bytes(reader._buffer) == b"rest"


@pytest.mark.reference_fails("S12", "it remembers an offset into bytes that are gone")
async def test_cut_while_a_read_waits(streams: types.ModuleType) -> None:
    """What the waiting read has searched already says nothing once somebody cut the bytes."""
    reader = streams.StreamReader()
    task = await start_task(reader.readuntil(b"--"))
    reader.feed_data(b"x" * 100 + b"-")
    await run_iterations()
    del reader._buffer[:100]
    reader.feed_data(b"-")
    await run_iterations()
    if not task.done():
        task.cancel()
    assert await task == b"--"


async def test_assigned_while_readexactly_waits(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    task = await start_task(reader.readexactly(6))
    reader.feed_data(b"abc")
    await run_iterations()
    reader._buffer = bytearray(b"ABCDE")
    reader.feed_data(b"Fg")
    assert await task == b"ABCDEF"
    assert await reader.read(9) == b"g"


async def test_cleared_after_data_was_fed_before_the_task_ran() -> None:
    """asyncio's read then returns b"", which means the end and is none."""
    reader = sluiceway.StreamReader()
    task = await start_task(reader.read(5))
    reader.feed_data(b"gone")
    reader._buffer.clear()
    await run_iterations()
    assert not task.done()
    reader.feed_data(b"next")
    assert await task == b"next"


async def test_cleared_while_the_transport_is_paused(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=4)
    transport = CountingTransport()
    reader.set_transport(transport)
    reader.feed_data(b"123456789")
    assert transport.paused
    reader._buffer.clear()
    task = await start_task(reader.read(2))
    assert not transport.paused, "or the read would wait for ever"
    reader.feed_data(b"ab")
    assert await task == b"ab"


async def test_a_live_buffer_pauses_and_resumes_like_any_other(streams: types.ModuleType) -> None:
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


async def test_a_reader_that_overran_its_limit_with_a_live_buffer(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=4)
    assert reader._buffer == b""
    reader.feed_data(b"12345\nnext\n")
    with pytest.raises(asyncio.LimitOverrunError):
        await reader.readuntil()
    assert reader._buffer == b"12345\nnext\n"
    with pytest.raises(ValueError, match="Separator is found"):
        await reader.readline()
    assert await reader.readline() == b"next\n"


async def test_the_other_names_can_be_read_and_assigned(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=10)
    assert (reader._limit, reader._eof, reader._exception, reader._transport) == (10, False, None, None)
    assert (reader._paused, reader._waiter, reader._loop) == (False, None, asyncio.get_running_loop())
    reader._limit = 2
    reader.feed_data(b"abc\n")
    with pytest.raises(asyncio.LimitOverrunError):
        await reader.readuntil()
    reader._limit = 3
    assert await reader.readuntil() == b"abc\n"
    reader._exception = ValueError("assigned")
    with pytest.raises(ValueError, match="assigned"):
        await reader.read(1)
    reader._exception = None
    transport = CountingTransport()
    reader._transport = transport
    reader.feed_data(b"1234567")
    assert transport.paused
    assert reader._paused
    reader._eof = True
    assert await reader.read() == b"1234567"
    assert reader.at_eof()


async def test_the_waiter_is_a_future_of_the_one_read_that_waits(streams: types.ModuleType) -> None:
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


async def test_feed_data_replaced_on_an_instance(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((reader, _), (_, far)):
        seen = []
        original = reader.feed_data

        def feed(data: bytes) -> None:
            seen.append(bytes(data))
            original(bytes(data).upper())

        reader.feed_data = feed
        far.write(b"line\n")
        assert await reader.readline() == b"LINE\n"
        assert b"".join(seen) == b"line\n"


async def test_readline_goes_through_a_replaced_readuntil(streams: types.ModuleType) -> None:
    asked = []

    class Tracing(streams.StreamReader):  # type: ignore[misc, name-defined]
        async def readuntil(self, separator: bytes = b"\n") -> bytes:
            asked.append(separator)
            return bytes(await super().readuntil(separator))

    derived = Tracing()
    derived.feed_data(b"line\n")
    assert await derived.readline() == b"line\n"
    assert asked == [b"\n"]
    reader = streams.StreamReader()
    original = reader.readuntil

    async def readuntil(separator: bytes = b"\n") -> bytes:
        asked.append(b"instance")
        return bytes(await original(separator))

    reader.readuntil = readuntil
    reader.feed_data(b"line\n")
    assert await reader.readline() == b"line\n"
    assert asked == [b"\n", b"instance"]


async def test_the_buffer_of_a_connection_touched_while_its_peer_floods(streams: types.ModuleType) -> None:
    async with connected_pair(streams, client={"limit": 1024}) as ((reader, _), (_, far)):
        data = bytes(range(256)) * 1024
        far.write(data)
        await wait_until(lambda: reader._paused)
        buffer = reader._buffer
        first = bytes(buffer[:100])
        del buffer[:100]
        assert first + await reader.readexactly(len(data) - 100) == data
        assert reader._buffer is buffer
