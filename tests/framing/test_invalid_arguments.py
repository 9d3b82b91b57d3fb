"""R4, R7: a wrong argument raises at the call, names the value, the reader and what is accepted, and takes nothing."""

import math
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from framing.readers import READERS

CALLS: dict[str, tuple[type[Exception], str, Callable[[Any], Any]]] = {
    "policy": (
        ValueError,
        r"lines\(\): overlong must be one of 'raise', 'skip', 'truncate', 'chunks', not 'drop' \(<.*StreamReader",
        lambda reader: sluiceway.lines(reader, overlong="drop"),  # type: ignore[call-overload]
    ),
    "zero": (
        ValueError,
        r"lines\(\): max_length must be at least 1, not 0 \(<.*StreamReader",
        lambda reader: sluiceway.lines(reader, max_length=0),
    ),
    "fraction": (
        TypeError,
        r"records\(\): max_length must be a number of bytes, not 'float': 1.5",
        lambda reader: sluiceway.records(reader, b"|", max_length=1.5),
    ),
    "separator": (ValueError, "at least one-byte string", lambda reader: sluiceway.records(reader, b"")),
    "prefix": (
        ValueError,
        r"frames\(\): length_bytes must be one of 1, 2, 4, 8, not 3",
        lambda reader: sluiceway.frames(reader, length_bytes=3),  # type: ignore[call-overload]
    ),
    "byteorder": (
        ValueError,
        r"frames\(\): byteorder must be one of 'big', 'little', not 'network'",
        lambda reader: sluiceway.frames(reader, byteorder="network"),  # type: ignore[call-overload]
    ),
    "size": (
        ValueError,
        r"frames\(\): max_size must be at least 1, not -1",
        lambda reader: sluiceway.frames(reader, max_size=-1),
    ),
    "oversize": (
        ValueError,
        r"frames\(\): oversize must be one of",
        lambda reader: sluiceway.frames(reader, oversize=None),  # type: ignore[call-overload]
    ),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("call", CALLS)
async def test_invalid_argument_raises_and_takes_nothing(kind: str, call: str) -> None:
    reader = READERS[kind]()
    reader.feed_data(b"\0\0\0\1x\n")
    error, message, function = CALLS[call]
    with pytest.raises(error, match=message):
        function(reader)
    assert await reader.read(10) == b"\0\0\0\1x\n"


@pytest.mark.parametrize("reader", [None, b"bytes", object()])
async def test_other_object_than_reader_raises_type_error(reader: Any) -> None:
    with pytest.raises(TypeError, match=r"frames\(\): reader must be a StreamReader of sluiceway or asyncio, not"):
        sluiceway.frames(reader)


async def test_infinite_maximum_is_accepted() -> None:
    reader = sluiceway.StreamReader(limit=2)
    reader.feed_data(b"x" * 1000 + b"\n")
    assert len(await anext(sluiceway.lines(reader, max_length=math.inf))) == 1001
