"""S10: a record ends at the first separator that is complete, however the data is split into chunks."""

import asyncio
import sys
import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sluiceway
from support.scheduling import run_iterations, start_task

NO_TUPLES = sys.version_info < (3, 13)
tuple_reference_fails = pytest.mark.reference_fails(
    "S10", "no tuples of separators before 3.13", when=lambda _kind: NO_TUPLES
)

CASES: list[tuple[bytes, Any, bytes]] = [
    (b"aaab", b"aab", b"aaab"),
    (b"aabaab", b"aab", b"aab"),
    (b"--x---x", b"---x", b"--x---x"),
    (b"\r\r\n", b"\r\n", b"\r\r\n"),
    (b"ababac", b"abac", b"ababac"),
    (b"abcabcabd", b"abcabd", b"abcabcabd"),
    (b"-" * 12 + b">", b"->", b"-" * 12 + b">"),
    (b"no end\n", b"\n", b"no end\n"),
    (b"\n", b"\n", b"\n"),
]
TUPLES: list[tuple[bytes, Any, bytes]] = [
    (b"one\r\ntwo|", (b"\r\n", b"|"), b"one\r\n"),
    (b"one|two\r\n", (b"\r\n", b"|"), b"one|"),
    (b"one\r\n", (b"\r\n", b"\n"), b"one\r\n"),
    (b"one\r\n", (b"\n", b"\r\n"), b"one\r\n"),
    (b"xabcd", (b"abcd", b"bc"), b"xabc"),
    (b"aaab", (b"aaab", b"ab"), b"aaab"),
    (b"only", (b"ly",), b"only"),
]


async def check_every_split(streams: types.ModuleType, text: bytes, separator: Any, record: bytes) -> None:
    """Feed the text split in each way into at most three chunks, and by bytes, before the read and during it."""
    splits = [[text], [text[i : i + 1] for i in range(len(text))]]
    splits += [[text[:i], text[i:j], text[j:]] for i in range(len(text) + 1) for j in range(i, len(text) + 1)]
    for after in (b"", b"after" + text):
        for chunks in splits:
            reader = streams.StreamReader()
            task = await start_task(reader.readuntil(separator))
            for chunk in chunks:
                reader.feed_data(chunk)
                await run_iterations(1)
            reader.feed_data(after)
            assert await task == record
            reader.feed_eof()
            assert await reader.read() == text[len(record) :] + after
            reader = streams.StreamReader()
            for chunk in [*chunks, after]:
                reader.feed_data(chunk)
            assert await reader.readuntil(separator) == record


@pytest.mark.parametrize(("text", "separator", "record"), CASES, ids=repr)
async def test_separator_split_across_chunks_ends_record(
    streams: types.ModuleType, text: bytes, separator: Any, record: bytes
) -> None:
    await check_every_split(streams, text, separator, record)


@tuple_reference_fails
@pytest.mark.parametrize(("text", "separator", "record"), TUPLES, ids=repr)
async def test_first_complete_separator_of_tuple_ends_record(
    streams: types.ModuleType, text: bytes, separator: Any, record: bytes
) -> None:
    await check_every_split(streams, text, separator, record)


@tuple_reference_fails
async def test_overlong_record_with_separator_tuple_raises_and_keeps_bytes(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=3)
    reader.feed_data(b"abcde|")
    with pytest.raises(asyncio.LimitOverrunError, match="Separator is found") as found:
        await reader.readuntil((b"\r\n", b"|"))
    assert found.value.consumed == 5
    assert await reader.readexactly(6) == b"abcde|"
    reader.feed_data(b"abcde")
    with pytest.raises(asyncio.LimitOverrunError, match="Separator is not found") as missing:
        await reader.readuntil((b"\r\n", b"|"))
    assert missing.value.consumed == 4, "the last byte may begin the longer separator"
    assert await reader.readexactly(5) == b"abcde"


WORDS = st.text("ab\n", min_size=1, max_size=4).map(str.encode)


def first_record(data: bytes, separators: tuple[bytes, ...]) -> int:
    """Return the length of the first record, by a search of every prefix; 0 if no separator is complete."""
    return next((end for end in range(1, len(data) + 1) if data[:end].endswith(separators)), 0)


@pytest.mark.loops("asyncio", "eager")
@settings(max_examples=150)
@given(chunks=st.lists(WORDS, max_size=12), separators=st.lists(WORDS, min_size=1, max_size=3).map(tuple))
async def test_random_chunks_give_records_of_plain_search(chunks: list[bytes], separators: tuple[bytes, ...]) -> None:
    reader = sluiceway.StreamReader()
    records: list[bytes] = []

    async def collect() -> bytes:
        try:
            while True:
                records.append(await reader.readuntil(separators))
        except asyncio.IncompleteReadError as error:
            return error.partial

    task = await start_task(collect())
    for chunk in chunks:
        reader.feed_data(chunk)
        await run_iterations(1)
    reader.feed_eof()
    rest = await task
    data = b"".join(chunks)
    expected = []
    while end := first_record(data, separators):
        expected.append(data[:end])
        data = data[end:]
    assert (records, rest) == (expected, data)
