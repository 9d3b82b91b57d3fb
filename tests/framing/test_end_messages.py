"""R4: the error for the end of the stream inside a record names the call, the counts and the stream."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair

HUGE = b"\xff\xff\xff\xff"
N = 2**32 - 1


def policy(name: str) -> Callable[[Any], Any]:
    return lambda stream: stream.frames(max_size=5, overlong=name)


CALLS: list[tuple[bytes, Callable[[Any], Any], str, bytes, int | None]] = [
    (b"ab", lambda s: s.read_exactly(5), "read_exactly(): the stream ended after 2 of 5 bytes", b"ab", 5),
    (
        b"ab",
        lambda s: s.read_exactly_into(bytearray(5)),
        "read_exactly_into(): the stream ended after 2 of 5",
        b"ab",
        5,
    ),
    (b"ab", lambda s: s.skip(5), "skip(): the stream ended after 2 of 5 bytes", b"", 5),
    (b"ab", lambda s: s.read_until(b"|"), "read_until(): the stream ended after 2 bytes without a sep", b"ab", None),
    (b"ab", lambda s: s.records(b"|"), "records(): the stream ended after 2 bytes without a separator", b"ab", None),
    (
        b"abcdefgh",
        lambda s: s.records(b"|", max_length=5, overlong="skip"),
        "records(): the stream ended inside a dropped record",
        b"",
        None,
    ),
    (
        b"abcdefgh",
        lambda s: s.records(b"|", max_length=5, overlong="chunks"),
        "records(): the stream ended after 3 bytes without a separator",
        b"fgh",
        None,
    ),
    (b"\0\0", policy("raise"), "frames(): the stream ended after 2 of 4 bytes of a length prefix", b"\0\0", 4),
    (b"\0\0\0\x05ab", policy("raise"), "frames(): the stream ended after 2 of 5 bytes of a frame", b"\0\0\0\x05ab", 9),
    (HUGE + b"ab", policy("skip"), f"frames(): the stream ended after 2 of {N} bytes", b"", N),
    (HUGE + b"ab", policy("truncate"), f"frames(): the stream ended after 2 of {N} bytes", HUGE + b"ab", N + 4),
    (HUGE + b"abcdefg", policy("truncate"), f"frames(): the stream ended after 7 of {N} bytes", b"", N),
    (HUGE + b"ab", policy("chunks"), f"frames(): the stream ended after 2 of {N} bytes of a frame", b"ab", N),
    (HUGE + b"abcdefg", policy("chunks"), f"frames(): the stream ended after 7 of {N} bytes of a frame", b"fg", N - 5),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("data", "call", "message", "partial", "expected"), CALLS)
async def test_end_inside_record_names_call_counts_and_stream(
    data: bytes, call: Callable[[Any], Any], message: str, partial: bytes, expected: int | None, at_once: bool
) -> None:
    """``at_once``: whether the data and the end are there before the call."""

    async def read() -> None:
        result = call(ours)
        if hasattr(result, "__anext__"):
            async for _ in result:
                pass
        else:
            await result

    async with sluiceway.pair() as (ours, far):
        if at_once:
            await far.send(data)
            await far.send_eof()
            await ours.peek(len(data) + 1)
        reading = asyncio.create_task(read())
        if not at_once:
            for byte in data:
                await far.send(bytes([byte]))
                await asyncio.sleep(0)
            await far.send_eof()
        with pytest.raises(asyncio.IncompleteReadError) as raised:
            await reading
        assert str(raised.value).startswith(message)
        assert str(raised.value).endswith(": connection between two unnamed sockets")
        assert (raised.value.partial, raised.value.expected) == (partial, expected)
        assert await ours.read() == b""


ITERATORS = [(data, call) for data, call, message, *_ in CALLS if message.startswith(("frames", "records"))]


@pytest.mark.parametrize(("data", "call"), ITERATORS)
async def test_iteration_after_end_inside_record_ends(data: bytes, call: Callable[[Any], Any]) -> None:
    async with sluiceway.pair() as (ours, far):
        await far.send(data)
        await far.send_eof()
        items = call(ours)
        with pytest.raises(asyncio.IncompleteReadError):
            async for _ in items:
                pass
        assert await anext(items, "end") == "end"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.read_line(max_length=5), "read_line(): a record of at least 8 bytes exceeds max_length=5"),
        (lambda s: s.read_until(b"|", max_length=5), "read_until(): a record of at least 8 bytes exceeds max_length=5"),
        (lambda s: anext(s.lines(max_length=5)), "lines(): a record of at least 8 bytes exceeds max_length=5"),
        (lambda s: anext(s.frames(max_size=5)), "frames(): a frame of 4294967295 bytes exceeds max_size=5"),
        (lambda s: s.read_all(max=5), "read_all(): more than max=5 bytes before the end of <Stream"),
    ],
)
async def test_overrun_names_limit_and_stream_and_keeps_bytes(call: Callable[[Any], Any], message: str) -> None:
    async with sluiceway.pair() as (ours, far):
        await far.send(HUGE + b"abcd")
        await ours.peek(8)
        with pytest.raises(asyncio.LimitOverrunError) as raised:
            await call(ours)
        assert str(raised.value).startswith(message)
        assert "connection between two unnamed sockets" in str(raised.value)
        assert await ours.read() == HUGE + b"abcd"


async def test_frames_of_connected_reader_name_the_connection() -> None:
    async with connected_pair(sluiceway) as ((_, client), (server, _)):
        client.write(b"\0\0")
        client.write_eof()
        frames = sluiceway.frames(server)
        ends = r"connection 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+"
        assert re.fullmatch(rf"<frames\(\) of {ends} skipped=0 truncated=0>", repr(frames))
        with pytest.raises(asyncio.IncompleteReadError, match=rf"the stream ended after 2 of 4 .*: {ends}$"):
            await anext(frames)


@pytest.mark.parametrize("reader", [sluiceway.StreamReader, asyncio.StreamReader])
async def test_frames_of_reader_name_the_reader(reader: Any) -> None:
    given = reader()
    given.feed_data(b"\0\0")
    given.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError, match=r"frames\(\): the stream ended after 2 of 4 .*<StreamReader"):
        await anext(sluiceway.frames(given))
