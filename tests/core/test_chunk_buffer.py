"""ChunkBuffer returns the bytes that were appended, in order, and copies and searches no byte twice."""

import importlib
import types
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from core.buffer_machine import BufferMachine, repeated, run_machine
from core.counting_list import CountingList

KIB = 1024
SIZES_AROUND_MERGE_LIMITS = [1, 2, 8 * KIB - 1, 8 * KIB, 8 * KIB + 1, 24 * KIB, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1]


class ChunkMachine(BufferMachine):
    """Adds the rule for remember_search(), which only this buffer has."""

    @rule(where=st.floats(0, 1))
    def remember_search(self, where: float) -> None:
        self.buffer.remember_search((b"word",), self.place(where))

    def taken(self, piece: bytes, n: int) -> None:
        if piece:
            assert self.buffer.searched((b"word",), True) == 0, (
                "offsets count from the first unread byte: a search is void after a take"
            )
        super().taken(piece, n)


def test_random_operations_match_a_bytes_value(core: types.ModuleType) -> None:
    run_machine(lambda: ChunkMachine(core.ChunkBuffer))


@pytest.mark.parametrize("second", SIZES_AROUND_MERGE_LIMITS)
@pytest.mark.parametrize("first", SIZES_AROUND_MERGE_LIMITS)
def test_chunks_around_the_merge_sizes_keep_their_bytes_in_order(
    core: types.ModuleType, first: int, second: int
) -> None:
    data = repeated(b"0123456789abc", 2 * (first + second))
    for step in (1, first, second, first + second - 1, first + second + 1):
        buffer = core.ChunkBuffer()
        at = 0
        for size in (first, second, first, second):
            buffer.append(data[at : at + size])
            at += size
        pieces = [buffer.take(step)]
        while step > 1 and buffer.size():
            pieces.append(buffer.take(step))
        pieces.append(buffer.take_all())
        assert b"".join(pieces) == data


@pytest.mark.parametrize("text", [b"aaab", b"aabaaab", b"--x---x", b"\r\r\n", b"ababac"])
@pytest.mark.parametrize("pattern", [b"aab", b"--x", b"\r\n", b"abac", b"aaab"])
def test_find_and_matches_across_chunk_boundaries_match_bytes(
    core: types.ModuleType, text: bytes, pattern: bytes
) -> None:
    """The padding is as large as the merge size, so that the chunks are not merged."""
    pad = b"z" * 8 * KIB
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            buffer = core.ChunkBuffer()
            chunks = (pad + text[:first], text[first:second], text[second:] + pad, b"", pad)
            for chunk in chunks:
                if chunk:
                    buffer.append(chunk)
            whole = b"".join(chunks)
            for start in (0, 1, len(pad) - 1, len(pad), len(pad) + 1, len(pad) + len(text), len(whole)):
                for end in (len(pad) + second, len(whole)):
                    assert buffer.find(pattern, start, end) == whole.find(pattern, start, end)
            buffer.take(len(pad) - 1)
            rest = whole[len(pad) - 1 :]
            for start in range(len(text) + 3):
                for end in (start + 1, start + len(pattern), len(rest)):
                    assert buffer.find(pattern, start, end) == rest.find(pattern, start, end)
                assert buffer.matches(pattern, start) == rest.startswith(pattern, start)


def test_pattern_longer_than_several_chunks_is_found(core: types.ModuleType) -> None:
    big = [repeated(b"%d-" % number, 9 * KIB) for number in range(5)]
    buffer = core.ChunkBuffer()
    for chunk in big:
        buffer.append(chunk)
    whole = b"".join(big)
    pattern = whole[9 * KIB - 3 : 36 * KIB + 5]
    assert buffer.find(pattern, 0, len(whole)) == whole.find(pattern) >= 0
    assert buffer.find(pattern, 9 * KIB - 3, 36 * KIB + 5) == 9 * KIB - 3
    assert buffer.find(pattern, 9 * KIB - 3, 36 * KIB + 4) == -1
    assert buffer.find(pattern, 9 * KIB - 2, len(whole)) == -1
    assert buffer.matches(pattern, 9 * KIB - 3)


def test_taking_a_whole_chunk_does_not_copy_it(core: types.ModuleType) -> None:
    chunk = bytes(64 * KIB)
    buffer = core.ChunkBuffer()
    buffer.append(chunk)
    assert buffer.take_all() is chunk
    buffer.append(chunk)
    buffer.append(bytes(64 * KIB))
    assert buffer.take(64 * KIB) is chunk


def test_taking_the_last_of_several_chunks_does_not_copy_it(core: types.ModuleType) -> None:
    chunks = [bytes([number]) * 64 * KIB for number in range(3)]
    buffer = core.ChunkBuffer()
    for chunk in chunks:
        buffer.append(chunk)
    buffer.take(64 * KIB)
    buffer.take(64 * KIB)
    assert buffer.take_all() is chunks[2]
    assert buffer.size() == buffer.excess() == 0


def test_taken_bytes_are_unchanged_by_later_appends(core: types.ModuleType) -> None:
    buffer = core.ChunkBuffer()
    for byte in b"abcdef":
        buffer.append(bytes([byte]))
    taken: list[Any] = [buffer.take(2)]
    buffer.append(b"gh")
    taken.append(buffer.take(5))
    buffer.append(b"i")
    taken.append(buffer.take_all())
    buffer.append(b"zzz")
    assert taken == [b"ab", b"cdefg", b"hi"]


def test_append_does_not_change_the_appended_object(core: types.ModuleType) -> None:
    first, second = b"first", b"second"
    buffer = core.ChunkBuffer()
    buffer.append(first)
    buffer.append(second)
    assert buffer.take_all() == b"firstsecond"
    assert (first, second) == (b"first", b"second")


@pytest.mark.parametrize("chunks_per_take", [1, 3])
def test_taking_n_chunks_moves_at_most_2n_chunks(chunks_per_take: int) -> None:
    """Counted in the pure variant: the list of a compiled buffer cannot be replaced."""
    n, size = 9000, 8 * KIB
    buffer = importlib.import_module("sluiceway._core").ChunkBuffer()
    buffer._chunks = chunks = CountingList()
    chunk = bytes(size)
    for _ in range(n + 1):
        buffer.append(chunk)
    for taken in range(chunks_per_take, n + 1, chunks_per_take):
        assert len(buffer.take(size * chunks_per_take)) == size * chunks_per_take
        assert buffer.size() == (n + 1 - taken) * size
    assert buffer._chunks is chunks
    assert 0 < chunks.moved <= 2 * n
    assert chunks.count(chunk) == 1, "chunks that were read are released at once"


@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"-\r\n-\r\n"], ids=["one byte", "two bytes", "six bytes"])
@pytest.mark.parametrize(
    ("chunks", "records"),
    [
        ([b"line\n"], [b"line\n"]),
        ([b"\n"], [b"\n"]),
        ([b"one\ntwo\nrest"], [b"one\n", b"two\n"]),
        ([b"one\ntwo\n"], [b"one\n", b"two\n"]),
        ([repeated(b"x", 32 * KIB - 1) + b"\n", b"next"], [repeated(b"x", 32 * KIB - 1) + b"\n"]),
        ([b"one\n" + repeated(b"x", 32 * KIB) + b"\n", b"next"], [b"one\n", repeated(b"x", 32 * KIB) + b"\n"]),
        ([repeated(b"x", 40 * KIB) + b"\n", b"next"], []),
        ([b"no end"], []),
    ],
)
def test_take_record_returns_the_records_within_the_first_chunk(
    core: types.ModuleType, chunks: list[bytes], records: list[bytes], separator: bytes
) -> None:
    """The chunks have line feeds, which stand for the separator."""
    chunks, records = ([piece.replace(b"\n", separator) for piece in pieces] for pieces in (chunks, records))
    limit = 32 * KIB
    buffer = core.ChunkBuffer()
    for chunk in chunks:
        buffer.append(chunk)
    for record in records:
        assert buffer.take_record((separator,), limit, -1) == record
    assert buffer.take_record((separator,), limit, -1) is None
    rest = b"".join(chunks)[len(b"".join(records)) :]
    assert buffer.size() == buffer.unread == len(rest)
    buffer.append(b"later\n")
    assert buffer.take_all() == rest + b"later\n"
    assert buffer.waste == 0
