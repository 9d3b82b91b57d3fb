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
    "separator": (
        ValueError,
        r"records\(\): separator must have at least one byte, not b'' \(<.*StreamReader",
        lambda reader: sluiceway.records(reader, b""),
    ),
    "bool": (
        TypeError,
        r"lines\(\): max_length must be a number of bytes, not 'bool': True",
        lambda reader: sluiceway.lines(reader, max_length=True),
    ),
    "float prefix": (
        ValueError,
        r"frames\(\): length_bytes must be one of 1, 2, 4, 8, not 4.0",
        lambda reader: sluiceway.frames(reader, length_bytes=4.0),  # type: ignore[call-overload]
    ),
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
    "frame policy": (
        ValueError,
        r"frames\(\): overlong must be one of",
        lambda reader: sluiceway.frames(reader, overlong=None),  # type: ignore[call-overload]
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


@pytest.mark.parametrize("name", ["lines", "records", "frames"])
async def test_stream_instead_of_reader_raises_type_error_that_names_its_method(name: str) -> None:
    stream: Any = sluiceway.Stream.from_pair(sluiceway.StreamReader(), None)
    arguments = (b"|",) if name == "records" else ()
    with pytest.raises(TypeError, match=rf"{name}\(\): reader must be .*'Stream': .*; call its method {name}\(\)"):
        getattr(sluiceway, name)(stream, *arguments)


async def test_infinite_maximum_is_accepted() -> None:
    reader = sluiceway.StreamReader(limit=2)
    reader.feed_data(b"x" * 1000 + b"\n")
    assert len(await anext(sluiceway.lines(reader, max_length=math.inf))) == 1001


@pytest.mark.parametrize("received", [b"", b"one\n"])
async def test_for_without_async_raises_type_error(received: bytes) -> None:
    """The object is a Python iterator, as the result of ``__await__`` must be: such a loop would block the program."""
    reader = sluiceway.StreamReader()
    reader.feed_data(received)
    items: Any = sluiceway.lines(reader)
    with pytest.raises(TypeError, match=r"lines\(\) is for 'async for', not for 'for' \(<StreamReader"):
        iter(items)
    reader.feed_eof()
    assert [line async for line in items] == ([received] if received else [])
