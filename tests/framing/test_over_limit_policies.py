"""R4, R7: what a record that is too long leaves behind: after an error, a cancellation, and in the middle of a drop."""

import asyncio
import types
from collections.abc import Generator
from typing import Any

import pytest

import sluiceway
from framing.expected_items import END
from framing.readers import READERS, WAITING, next_item
from support.fake_transports import CountingTransport
from support.memory_usage import buffered_size
from support.scheduling import run_iterations

each_reader = pytest.mark.parametrize("kind", READERS)
LONG = b"x" * 100


@each_reader
async def test_raise_keeps_bytes_and_names_limit(kind: str) -> None:
    reader = READERS[kind]()
    reader.feed_data(LONG + b"\nnext\n")
    lines = sluiceway.lines(reader, max_length=50)
    for _ in range(2):
        with pytest.raises(
            asyncio.LimitOverrunError, match=r"lines\(\): a record of 100 bytes exceeds max_length=50"
        ) as e:
            await anext(lines)
    assert await reader.readexactly(e.value.consumed + 1) == LONG + b"\n"
    assert await anext(lines) == b"next\n"


@each_reader
async def test_raised_frame_stays_with_its_prefix(kind: str) -> None:
    reader = READERS[kind]()
    reader.feed_data(b"\xff\xff\xff\xff\xff\xff\xff\xff" + LONG)
    with pytest.raises(asyncio.LimitOverrunError, match=f"a frame of {2**64 - 1} bytes exceeds max_size=1048576"):
        await anext(sluiceway.frames(reader, length_bytes=8))
    assert await reader.read(8) == b"\xff" * 8


@each_reader
@pytest.mark.parametrize("policy", ["skip", "truncate"])
async def test_read_after_cancelled_drop_starts_at_next_line(kind: str, policy: Any) -> None:
    reader = READERS[kind]()
    lines = sluiceway.lines(reader, max_length=10, overlong=policy)
    reader.feed_data(LONG)
    if policy == "truncate":
        assert await next_item(lines) == LONG[:10]
    assert await next_item(lines) is WAITING
    reader.feed_data(LONG)
    reader.feed_data(LONG + b"\nnext\nlast")
    assert (lines.skipped, lines.truncated) == ((1, 0) if policy == "skip" else (0, 1))
    assert await reader.readline() == b"next\n"
    reader.feed_eof()
    assert [line async for line in sluiceway.lines(reader)] == [b"last"]


@each_reader
@pytest.mark.parametrize("arrived", [b"\xff", b"\xff" + LONG[:9]])
async def test_cancelled_wait_for_first_piece_keeps_prefix_of_frame(kind: str, arrived: bytes) -> None:
    reader = READERS[kind]()
    reader.feed_data(arrived)
    frames = sluiceway.frames(reader, length_bytes=1, max_size=10, overlong="chunks")
    assert await next_item(frames) is WAITING
    reader.feed_eof()
    assert await reader.read(100) == arrived


@each_reader
async def test_record_put_into_buffer_during_drop_is_dropped_with_what_follows_the_drop(kind: str) -> None:
    reader = READERS[kind]()
    lines = sluiceway.lines(reader, max_length=10, overlong="truncate")
    reader.feed_data(LONG)
    assert await next_item(lines) == LONG[:10]
    reader._buffer.extend(b"pushed back")
    assert await next_item(lines) == b"pushed bac"
    reader.feed_data(LONG + b"\n" + LONG)
    reader.feed_data(LONG + b"\nnext\n")
    assert await anext(lines) == b"next\n"


@each_reader
async def test_read_that_waits_during_drop_does_not_see_dropped_bytes(kind: str) -> None:
    reader = READERS[kind]()
    reader.feed_data(b"\0\0\1\0" + LONG)
    assert await next_item(sluiceway.frames(reader, max_size=8, overlong="skip")) is WAITING
    task = asyncio.create_task(reader.read(10))
    await asyncio.sleep(0)
    reader.feed_data(LONG)
    await asyncio.sleep(0)
    reader.feed_data(LONG[:56] + b"after")
    assert await task == b"after"


@each_reader
async def test_separator_cut_in_dropped_record_ends_drop(kind: str) -> None:
    reader = READERS[kind]()
    records = sluiceway.records(reader, (b"\r\n", b"<end>"), max_length=4, overlong="skip")
    for piece in (LONG + b"<", b"e", b"nd", b">next\r", b"\n"):
        assert await next_item(records) is WAITING
        reader.feed_data(piece)
    assert await next_item(records) == b"next\r\n"
    reader.feed_data(LONG + b"\r")
    reader.feed_eof()
    assert await next_item(records) is asyncio.IncompleteReadError
    assert await next_item(records) is END


@each_reader
async def test_second_reader_raises_and_takes_nothing(kind: str) -> None:
    reader = READERS[kind]()
    task = asyncio.create_task(reader.readline())
    await asyncio.sleep(0)
    for records in (sluiceway.lines(reader), sluiceway.frames(reader)):
        with pytest.raises(RuntimeError, match="called while another coroutine is already waiting for incoming data"):
            await anext(records)
    reader.feed_data(b"line\n")
    assert await task == b"line\n"


@pytest.mark.skipif(sluiceway.IMPLEMENTATION == "compiled", reason="the compiled search calls no Python method")
async def test_asyncio_reader_is_searched_once_while_a_long_line_arrives() -> None:
    class Counting(bytearray):
        searched = 0

        def find(self, pattern: Any, start: Any = 0, *rest: Any) -> int:
            Counting.searched += len(self) - start
            return super().find(pattern, start, *rest)

    reader: Any = asyncio.StreamReader(limit=16)
    reader._buffer = Counting()
    lines = sluiceway.lines(reader, max_length=1 << 20)
    task = asyncio.ensure_future(anext(lines))
    for _ in range(100):
        reader.feed_data(LONG)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    reader.feed_data(b"\n")
    assert await task == LONG * 100 + b"\n"
    assert Counting.searched < 3 * 100 * len(LONG)


async def test_lost_connection_raises_after_complete_lines() -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"one\ntw")
    reader._sluiceway.lost(ConnectionResetError("lost"))
    lines = sluiceway.lines(reader)
    assert await anext(lines) == b"one\n"
    with pytest.raises(ConnectionResetError):
        await anext(lines)
    assert await reader.read(10) == b"tw"


@pytest.mark.parametrize("own", [True, False], ids=["sluiceway", "asyncio"])
async def test_anext_with_a_default_waits_for_an_item_and_returns_the_default_at_the_end(own: bool) -> None:
    reader: Any = sluiceway.StreamReader() if own else asyncio.StreamReader()
    lines = sluiceway.lines(reader)
    waiting = asyncio.ensure_future(asyncio.wait_for(anext(lines, None), 10))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader.feed_data(b"o")
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another coroutine"):
        await anext(lines)
    reader.feed_data(b"ne\ntwo\n")
    assert await waiting == b"one\n"
    assert await anext(lines, None) == b"two\n"
    reader.feed_eof()
    assert await anext(lines, None) is None


@types.coroutine
def _items_by_yield_from(lines: Any, reader: Any) -> Generator[Any, Any, list[Any]]:
    items = []
    for _ in range(3):
        try:
            items.append((yield from anext(lines).__await__()))
        except asyncio.LimitOverrunError as error:
            items.append(error.consumed)
            yield from reader.readexactly(error.consumed + 1)
        except StopAsyncIteration:
            items.append(END)
    return items


@each_reader
async def test_item_error_and_end_arrive_by_yield_from(kind: str) -> None:
    reader = READERS[kind]()
    reader.feed_data(LONG + b"\nlast")
    reader.feed_eof()
    assert await _items_by_yield_from(sluiceway.lines(reader, max_length=10), reader) == [len(LONG), b"last", END]


@each_reader
async def test_item_that_has_arrived_is_returned_outside_of_a_task(kind: str) -> None:
    reader = READERS[kind]()
    lines = sluiceway.lines(reader)
    reader.feed_data(b"one\ntwo\n")
    items = []

    def step() -> None:
        for _ in range(2):
            with pytest.raises(StopIteration) as stopped:
                next(anext(lines).__await__())
            items.append(stopped.value.value)

    asyncio.get_running_loop().call_soon(step)
    await run_iterations()
    assert items == [b"one\n", b"two\n"]


async def test_item_can_be_awaited_again_after_a_cancelled_wait() -> None:
    reader = sluiceway.StreamReader()
    lines = sluiceway.lines(reader)
    for _ in range(2):
        waiting = asyncio.ensure_future(anext(lines, None))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    reader.feed_data(b"one\n")
    assert await anext(lines, None) == b"one\n"


@pytest.mark.parametrize("kind", ["lines", "records", "frames"])
async def test_iterator_resumes_the_transport_when_at_most_the_limit_remains(kind: str) -> None:
    record = {"lines": b"a line\n", "records": b"a line\r\n", "frames": b"\0\4line"}[kind]
    limit = 10 * len(record)
    transport = CountingTransport()
    reader = sluiceway.StreamReader(limit)
    reader.set_transport(transport)
    reader.feed_data(21 * record)
    records: Any = {
        "lines": sluiceway.lines(reader),
        "records": sluiceway.records(reader, separator=b"\r\n"),
        "frames": sluiceway.frames(reader, length_bytes=2),
    }[kind]
    for remaining in range(20, 0, -1):
        assert transport.paused == (remaining >= 10)
        await anext(records)
        assert buffered_size(reader) == remaining * len(record)
    assert not transport.paused
    assert transport.pauses == 1


@pytest.mark.parametrize("policy", ["skip", "truncate"])
@pytest.mark.parametrize("replaced", ["before", "during"])
async def test_overlong_record_is_dropped_if_program_replaces_feed_data(policy: Any, replaced: str) -> None:
    reader: Any = asyncio.StreamReader()
    fed: list[bytes] = []

    def replace() -> Any:
        original = reader.feed_data

        def feed(data: bytes) -> None:
            fed.append(data)
            original(data)

        reader.feed_data = feed
        return feed

    if replaced == "before":
        program = replace()
    lines = sluiceway.lines(reader, max_length=4, overlong=policy)
    reader.feed_data(b"abcdefgh")
    if policy == "truncate":
        assert await anext(lines) == b"abcd"
    task = asyncio.ensure_future(anext(lines))
    await run_iterations()
    if replaced == "during":
        program = replace()
    reader.feed_data(b"ij")
    await run_iterations()
    reader.feed_data(b"\nok\n")
    assert await task == b"ok\n"
    assert lines.skipped + lines.truncated == 1
    reader.feed_data(b"more\n")
    assert await anext(lines) == b"more\n"
    assert reader.feed_data is program
    assert fed[-1] == b"more\n"
