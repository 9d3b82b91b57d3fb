"""R1, R5: the reads of Stream, what they leave behind when cancelled, and their errors."""

import asyncio
import gc
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from stream.streams import peer_stream
from support.connections import connected_pair
from support.fake_transports import CountingTransport
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until

READS: dict[str, tuple[Callable[[Any], Awaitable[bytes]], bytes]] = {
    "read": (lambda s: s.read(11), b"0123456789\n"),
    "read_exactly": (lambda s: s.read_exactly(11), b"0123456789\n"),
    "read_until": (lambda s: s.read_until((b"9\n", b"||")), b"0123456789\n"),
    "read_line": (lambda s: s.read_line(), b"0123456789\n"),
    "read_line long": (lambda s: s.read_line(max_length=100), b"0123456789\n"),
    "lines": (lambda s: anext(s.lines()), b"0123456789\n"),
    "peek": (lambda s: s.peek(11), b""),
    "read_all": (lambda s: s.read_all(), b"0123456789\nafter\n"),
}


def stream_of(data: bytes = b"", end: bool = False, limit: int = 8) -> tuple[Any, Any]:
    reader = sluiceway.StreamReader(limit=limit)
    if data:
        reader.feed_data(data)
    if end:
        reader.feed_eof()
    return sluiceway.Stream.from_pair(reader, None), reader


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("arrived", [0, 4, 11])
async def test_cancelled_read_takes_nothing(name: str, arrived: int) -> None:
    stream, reader = stream_of(limit=1 << 10)
    read, result = READS[name]
    data = b"0123456789\nafter\n"

    async def wait() -> bytes:
        return await read(stream)

    for _ in range(2):
        task = await start_task(wait())
        task.cancel()
        await asyncio.wait([task])
    task = await start_task(wait())
    reader.feed_data(data[:arrived])
    task.cancel()
    await asyncio.wait([task])
    reader.feed_data(data[arrived:])
    reader.feed_eof()
    assert await read(stream) == (result or data[:11])
    assert await stream.read_all() == data[len(result) :]


@pytest.mark.parametrize(
    "read",
    [
        lambda s: s.read_exactly(1000),
        lambda s: s.peek(1000),
        lambda s: s.read_all(),
        lambda s: s.read_line(max_length=1000),
        lambda s: s.read_until(b"|", max_length=1000),
        lambda s: anext(s.frames()),
        lambda s: anext(s.lines()),
        lambda s: s.read_exactly_into(bytearray(1000)),
    ],
    ids=["read_exactly", "peek", "read_all", "read_line", "read_until", "frames", "lines", "read_exactly_into"],
)
async def test_cancelled_large_read_restores_flow_control(read: Callable[[Any], Awaitable[Any]]) -> None:
    """R3: the bound on unread bytes is that of the limit again, and the transport is paused above it."""
    stream, reader = stream_of(b"\0\0\1\0" + b"x" * 16)
    transport = CountingTransport()
    reader.set_transport(transport)

    async def wait() -> Any:
        return await read(stream)

    task = await start_task(wait())
    task.cancel()
    await asyncio.wait([task])
    assert reader._sluiceway.target_size == 0
    assert reader._paused


async def test_peek_returns_bytes_without_taking_them() -> None:
    stream, reader = stream_of(b"abc")
    assert await stream.peek(2) == b"ab"
    task = await start_task(stream.peek(100))
    reader.feed_data(b"d")
    reader.feed_eof()
    assert await task == b"abcd"
    assert (await stream.read(2), await stream.peek(9), await stream.read(9)) == (b"ab", b"cd", b"cd")
    assert await stream.peek(1) == b""


async def test_long_peek_does_not_pause_the_transport() -> None:
    stream, reader = stream_of(limit=8)
    transport = CountingTransport()
    reader.set_transport(transport)
    task = await start_task(stream.peek(1000))
    for _ in range(100):
        reader.feed_data(b"0123456789")
    assert transport.pauses == 0
    assert await task == b"0123456789" * 100
    reader.feed_data(b"x")
    assert transport.paused


async def test_cancelled_skip_drops_the_rest_when_it_arrives() -> None:
    stream, reader = stream_of(b"0123")
    task = await start_task(stream.skip(10))
    task.cancel()
    await asyncio.wait([task])
    assert reader._sluiceway.buffer.size() == 0
    reader.feed_data(b"456789after")
    assert await stream.read(10) == b"after"


async def test_cancelled_skips_behind_a_dropped_record_drop_their_bytes_as_well() -> None:
    stream, reader = stream_of(b"a long record", limit=100)
    assert await anext(stream.lines(max_length=6, overlong="truncate")) == b"a long"
    for size in (2, 5):
        task = await start_task(stream.skip(size))
        task.cancel()
        await asyncio.wait([task])
    for piece in (b" ends\n0", b"123", b"456after"):
        reader.feed_data(piece)
    assert await stream.read(10) == b"after"


async def test_any_number_of_dropped_records_may_wait_for_their_ends() -> None:
    """Dropping the bytes of one, and freeing it, must not nest in those of the next one."""
    count = 50_000
    for arrives in (True, False):
        stream, reader = stream_of(b"", limit=100)
        for _ in range(count):
            stream.push_back(b"long")
            assert await anext(stream.lines(max_length=2, overlong="truncate")) == b"lo"
        if arrives:
            reader.feed_data(b"\n" * count + b"after")
            assert await stream.read(10) == b"after"


async def test_end_inside_a_dropped_record_is_reported_by_the_skip_after_it() -> None:
    stream, reader = stream_of(b"\7abc", end=False)
    assert await anext(stream.frames(length_bytes=1, max_size=2, overlong="truncate")) == b"ab"
    task = await start_task(stream.skip(4))
    reader.feed_data(b"d")
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError, match="after 4 of 7 bytes, which are dropped"):
        await task
    assert await stream.read(10) == b""


async def test_skip_ends_when_all_bytes_have_arrived() -> None:
    stream, reader = stream_of(b"01after")
    await stream.skip(2)
    await stream.skip(0)
    assert await stream.read(9) == b"after"
    task = await start_task(stream.skip(4))
    reader.feed_data(b"01")
    await asyncio.sleep(0)
    reader.feed_data(b"23")
    await task
    reader.feed_data(b"x")
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await stream.skip(2)
    assert caught.value.partial == b""


DROPS: dict[str, tuple[Callable[[Any], Awaitable[object]], bytes, bytes]] = {
    "skip": (lambda s: s.skip(8), b"abcd", b"efghnext\n"),
    "lines": (lambda s: anext(s.lines(max_length=2, overlong="skip")), b"abcd", b"ef\nn\n"),
    "frames": (lambda s: anext(s.frames(length_bytes=1, max_size=2, overlong="skip")), b"\7abc", b"defg\1n"),
}


@pytest.mark.parametrize("name", DROPS)
async def test_pushed_back_record_is_dropped_after_the_rest_of_an_earlier_one(name: str) -> None:
    """The pushed back bytes come first, then those that an earlier call drops, then the rest of the record."""
    drop, pushed_back, rest = DROPS[name]
    stream, reader = stream_of(b"a long record", limit=100)
    assert await anext(stream.lines(max_length=6, overlong="truncate")) == b"a long"
    stream.push_back(pushed_back)
    task = await start_task(drop(stream))
    for byte in b" of which the end is not here\n" + rest:
        reader.feed_data(bytes([byte]))
    reader.feed_eof()
    item = await task
    remaining = await stream.read_all()
    assert (item, remaining) == {
        "skip": (None, b"next\n"),
        "lines": (b"n\n", b""),
        "frames": (b"n", b""),
    }[name]


async def test_skip_of_pushed_back_bytes_does_not_wait_for_a_record_that_is_dropped() -> None:
    stream, reader = stream_of(b"a long record", limit=100)
    assert await anext(stream.lines(max_length=6, overlong="truncate")) == b"a long"
    stream.push_back(b"0123")
    await stream.skip(2)
    assert await stream.read(9) == b"23"
    reader.feed_data(b" and more\nnext")
    assert await stream.read(9) == b"next"


@pytest.mark.parametrize("limit", [8, 1 << 16])
async def test_pushed_back_bytes_are_read_first(limit: int) -> None:
    stream, _ = stream_of(b"one\ntwo\n", end=True, limit=limit)
    assert await stream.read_line() == b"one\n"
    stream.push_back(b"one\n")
    stream.push_back(bytearray(b"zero\n"))
    stream.push_back(b"")
    assert await stream.read_exactly(5) == b"zero\n"
    assert [line async for line in stream.lines()] == [b"one\n", b"two\n"]
    stream.push_back(b"more")
    assert await stream.read_all() == b"more"


async def test_push_back_to_buffer_of_program_comes_first() -> None:
    stream, reader = stream_of(b"two")
    view = memoryview(reader._buffer)
    stream.push_back(b"one")
    assert await stream.read(6) == b"onetwo"
    assert bytes(view) == b"two"


@pytest.mark.parametrize("operation", ["read_line", "read_until", "read_all"])
async def test_record_longer_than_limit_of_call_raises_and_keeps_bytes(operation: str) -> None:
    stream, _ = stream_of(b"0123456789\n", end=True)
    calls: dict[str, Callable[[], Awaitable[bytes]]] = {
        "read_line": lambda: stream.read_line(max_length=9),
        "read_until": lambda: stream.read_until(b"\n"),
        "read_all": lambda: stream.read_all(max=10),
    }
    with pytest.raises(asyncio.LimitOverrunError, match=rf"{operation}\(\): .*(max_length=[98]|max=10)"):
        await calls[operation]()
    assert await stream.read_line(max_length=10) == b"0123456789\n"


async def test_read_all_accepts_exactly_its_maximum() -> None:
    stream, _ = stream_of(b"0123", end=True)
    assert await stream.read_all(max=4) == b"0123"


async def test_second_read_raises_and_names_the_task() -> None:
    stream, reader = stream_of()
    task = asyncio.create_task(stream.read_line(), name="first")
    await asyncio.sleep(0)
    reads: list[Callable[[], Any]] = [
        stream.read, stream.read_all, lambda: stream.peek(1), lambda: stream.skip(1), stream.lines,
    ]  # fmt: skip
    for read in reads:
        with pytest.raises(RuntimeError, match=r"read_line\(\) of task 'first' \(a stream that is not connected\)$"):
            await read()
    with pytest.raises(RuntimeError, match=r"push_back\(\) called while.* \(a stream that is not connected\)$"):
        stream.push_back(b"x")
    reader.feed_data(b"line\n")
    assert await task == b"line\n"


@pytest.mark.parametrize("name", READS)
async def test_read_of_closed_stream_raises(name: str) -> None:
    async with connected_pair(sluiceway) as (client, _):
        stream = sluiceway.Stream.from_pair(*client)
        await stream.aclose()
        with pytest.raises(ConnectionError, match=r"\(\): connection .* -> .* is closed"):
            await READS[name][0](stream)


@pytest.mark.parametrize("name", READS)
async def test_read_of_write_only_stream_raises(name: str) -> None:
    async with connected_pair(sluiceway) as ((_, writer), _):
        stream = sluiceway.Stream.from_pair(None, writer)
        with pytest.raises(io.UnsupportedOperation, match="can only be written"):
            await READS[name][0](stream)


TIMED: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "read": lambda stream: stream.read(7, timeout=10),
    "read_exactly": lambda stream: stream.read_exactly(7, timeout=10),
    "read_until": lambda stream: stream.read_until(b"\n", timeout=10),
    "read_line": lambda stream: stream.read_line(timeout=10),
    "read_all": lambda stream: stream.read_all(max=10_000, timeout=10),
    "peek": lambda stream: stream.peek(7, timeout=10),
    "skip": lambda stream: stream.skip(7, timeout=10),
    "readinto": lambda stream: stream.readinto(bytearray(7), timeout=10),
    "read_exactly_into": lambda stream: stream.read_exactly_into(bytearray(7), timeout=10),
}


@pytest.mark.parametrize("read", TIMED.values(), ids=TIMED)
async def test_timed_read_of_write_only_stream_raises(read: Callable[[Any], Awaitable[Any]]) -> None:
    async with connected_pair(sluiceway) as ((_, writer), _):
        stream = sluiceway.Stream.from_pair(None, writer)
        with pytest.raises(io.UnsupportedOperation, match="can only be written"):
            await read(stream)


@pytest.mark.parametrize("read", TIMED.values(), ids=TIMED)
async def test_reads_of_buffered_data_yield_to_the_loop(read: Callable[[Any], Awaitable[Any]]) -> None:
    stream, _ = stream_of(b"a line\n" * 500, end=True, limit=10_000)
    iterations = 0

    def count() -> None:
        nonlocal iterations, handle
        iterations += 1
        handle = asyncio.get_running_loop().call_soon(count)

    handle = asyncio.get_running_loop().call_soon(count)
    for _ in range(500):
        await read(stream)
    handle.cancel()
    assert 1 <= iterations <= 5


async def test_unawaited_next_item_takes_nothing() -> None:
    stream, reader = stream_of(b"one\n")
    anext(stream.lines())
    gc.collect()
    assert await reader.readline() == b"one\n"


async def test_coroutine_is_named_after_stream() -> None:
    stream, _ = stream_of()
    coroutine: Any = stream.read_line()
    assert coroutine.__qualname__ == "Stream.read_line"
    coroutine.close()


async def test_loss_after_the_end_of_the_input_leaves_reads_as_after_the_end(raw_peers: RawPeers) -> None:
    """R2: the input is complete, and only sends have failed."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"rest")
        peer.half_close()
        assert await stream.read_exactly(4) == b"rest"
        stream.push_back(b"rest")
        await wait_until(lambda: stream.eof_reason == "clean")
        peer.reset()
        with pytest.raises(ConnectionError):
            while True:
                await stream.send(b"x")
                await asyncio.sleep(0)
        with pytest.raises(sluiceway.IncompleteReadError) as caught:
            await stream.read_until(b"|")
        assert caught.value.partial == b"rest"
        stream.push_back(b"rest")
        assert await stream.read_line() == b"rest"
        assert await stream.read_line() == b""


@pytest.mark.parametrize("name", [*READS, "skip"])
async def test_read_after_set_exception_raises_it_and_takes_nothing(name: str) -> None:
    """R2."""
    stream, reader = stream_of(b"0123456789\nafter\n", limit=1 << 10)
    error = LookupError("of the program")
    reader.set_exception(error)
    with pytest.raises(LookupError) as caught:
        await (stream.skip(2) if name == "skip" else READS[name][0](stream))
    assert caught.value is error
    assert stream.stats.unread_bytes == 17


@pytest.mark.parametrize("name", ["skip", "peek", "read_into"])
async def test_loss_is_raised_by_a_call_that_waits(name: str, raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        calls = {
            "skip": lambda: stream.skip(9),
            "peek": lambda: stream.peek(9),
            "read_into": lambda: stream.readinto(bytearray(9)),
        }
        call = await start_task(calls[name]())
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await call
