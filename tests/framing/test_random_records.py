"""R4, R7: each policy returns the expected items however the bytes arrive, and whenever the iteration is cancelled.

After each item the unread bytes are exactly those that the items so far have left, on the readers of both packages.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sluiceway
from framing import expected_items
from framing.expected_items import END, Expected
from framing.readers import READERS, WAITING, next_item

POLICIES = ("raise", "skip", "truncate", "chunks")
SEPARATORS = (b"|", b"\r\n", b"ab")
# Whole, byte by byte, and in pieces around the limits.
CUTS = st.one_of(st.just([1000]), st.just([1]), st.lists(st.integers(1, 9), min_size=1, max_size=6))
Make = Callable[[Any], Any]
each_policy = pytest.mark.parametrize("policy", POLICIES)
each_reader = pytest.mark.parametrize("kind", READERS)

# The readers' own limit, 16 bytes, is less than some of these.
LIMITS = st.sampled_from([1, 2, 5, 20, 40])
TEXTS = st.lists(st.sampled_from(["a", "b", "\n", "\r", "|", "x" * 7, "y" * 30]), max_size=14).map(
    lambda words: "".join(words).encode()
)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    sizes = itertools.cycle(cuts)
    while data:
        size = next(sizes)
        yield data[:size]
        data = data[size:]


async def check(reader: Any, make: Make, data: bytes, cuts: list[int], fresh: bool, expected: Expected) -> None:
    """Feed ``data`` in pieces and compare the items. Each wait is cancelled; with ``fresh``, a new iterator goes on."""
    records = make(reader)
    items: list[Any] = []
    skipped = truncated = 0
    for piece in [*pieces(data, cuts), None]:
        if piece is None:
            reader.feed_eof()
        else:
            reader.feed_data(piece)
        while (item := await next_item(records)) is not WAITING:
            items.append(item)
            if item is END or isinstance(item, type):
                assert items == expected.items
                assert (skipped + records.skipped, truncated + records.truncated) == (
                    expected.skipped,
                    expected.truncated,
                )
                if piece is not None:
                    return
                break
        if fresh:
            skipped += records.skipped
            truncated += records.truncated
            records = make(reader)
    assert items == expected.items


async def check_rest(reader: Any, make: Make, data: bytes, cuts: list[int], count: int, expected: Expected) -> None:
    """Leave the iteration after ``count`` items: the reader returns all bytes after them."""
    records = make(reader)
    items: list[Any] = []
    arriving = pieces(data, cuts)
    while len(items) < count:
        item = await next_item(records)
        if item is WAITING:
            reader.feed_data(next(arriving))
        else:
            items.append(item)
    for piece in arriving:
        reader.feed_data(piece)
    reader.feed_eof()
    assert items == expected.items[:count]
    assert await reader.read() == data[expected.after[count - 1] if count else 0 :]


async def check_both(
    kind: str, make: Make, data: bytes, cuts: list[int], fresh: bool, where: float, expected: Expected
) -> None:
    await check(READERS[kind](), make, data, cuts, fresh, expected)
    # Where the stream must not end to know the item, the rest is what is left.
    count = int(where * len([item for item in expected.items if item is not END and not isinstance(item, type)]))
    if not (count and expected.after[count - 1] == len(data)):
        await check_rest(READERS[kind](), make, data, cuts, count, expected)


@pytest.mark.loops("asyncio")
@each_policy
@each_reader
@settings(max_examples=60)
@given(data=TEXTS, cuts=CUTS, limit=LIMITS, fresh=st.booleans(), where=st.floats(0, 1))
async def test_lines_are_expected_items_for_any_arrival_and_cancellation(
    kind: str, policy: Any, data: bytes, cuts: list[int], limit: int, fresh: bool, where: float
) -> None:
    expected = expected_items.separated(data, (b"\n",), limit, policy, True)
    fresh = fresh and policy != "chunks"
    make = lambda reader: sluiceway.lines(reader, max_length=limit, overlong=policy)  # noqa: E731
    await check_both(kind, make, data, cuts, fresh, where, expected)


@pytest.mark.loops("asyncio")
@each_policy
@each_reader
@settings(max_examples=60)
@given(data=TEXTS, cuts=CUTS, limit=LIMITS, fresh=st.booleans(), where=st.floats(0, 1))
async def test_records_are_expected_items_for_any_arrival_and_cancellation(
    kind: str, policy: Any, data: bytes, cuts: list[int], limit: int, fresh: bool, where: float
) -> None:
    expected = expected_items.separated(data, SEPARATORS, limit, policy, False)
    fresh = fresh and policy != "chunks"
    make = lambda reader: sluiceway.records(reader, SEPARATORS, max_length=limit, overlong=policy)  # noqa: E731
    await check_both(kind, make, data, cuts, fresh, where, expected)


@pytest.mark.loops("asyncio")
@each_policy
@each_reader
@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 25), max_size=5),
    cut_off=st.integers(0, 12),
    prefix=st.sampled_from([1, 2, 4, 8]),
    byteorder=st.sampled_from(["big", "little"]),
    cuts=CUTS,
    limit=LIMITS,
    fresh=st.booleans(),
    where=st.floats(0, 1),
)
async def test_frames_are_expected_items_for_any_arrival_and_cancellation(
    kind: str,
    policy: Any,
    sizes: list[int],
    cut_off: int,
    prefix: Any,
    byteorder: Any,
    cuts: list[int],
    limit: int,
    fresh: bool,
    where: float,
) -> None:
    data = b"".join(size.to_bytes(prefix, byteorder) + bytes(range(size)) for size in sizes)
    data = data[: max(0, len(data) - cut_off)]
    expected = expected_items.framed(data, prefix, byteorder, limit, policy)
    fresh = fresh and policy != "chunks"

    def make(reader: Any) -> Any:
        return sluiceway.frames(reader, length_bytes=prefix, byteorder=byteorder, max_size=limit, overlong=policy)

    await check_both(kind, make, data, cuts, fresh, where, expected)
