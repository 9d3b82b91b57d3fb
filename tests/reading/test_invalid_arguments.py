"""Bad input gets a TypeError or ValueError that says what was given and what is accepted, before anything is taken."""

import array
import fractions
import types
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.scheduling import run_iterations, start_task

Read = Callable[[Any], Any]

BAD_CALLS: list[tuple[Read, type[Exception], str]] = [
    (lambda r: r.readuntil(b""), ValueError, "Separator should be at least one-byte string"),
    (lambda r: r.readuntil(bytearray()), ValueError, "Separator should be at least one-byte string"),
    (lambda r: r.readuntil(()), ValueError, "Separator should contain at least one element"),
    (lambda r: r.readuntil((b"\n", b"")), ValueError, "Separator should be at least one-byte string"),
    (lambda r: r.readuntil("\n"), TypeError, "bytes or a tuple of bytes as separator, not str"),
    (lambda r: r.readuntil((b"\n", "\r")), TypeError, "bytes or a tuple of bytes as separator, not str"),
    (lambda r: r.readuntil(10), TypeError, "bytes or a tuple of bytes as separator, not int"),
    (lambda r: r.readuntil(None), TypeError, "bytes or a tuple of bytes as separator, not NoneType"),
    (lambda r: r.readuntil([b"\n"]), TypeError, "bytes or a tuple of bytes as separator, not list"),
    (lambda r: r.readexactly(-1), ValueError, "size can not be less than zero: -1 was given"),
    (lambda r: r.readexactly(2.0), TypeError, "a whole number of bytes, not float 2.0"),
    (lambda r: r.readexactly("2"), TypeError, "a whole number of bytes, not str '2'"),
    (lambda r: r.readexactly(None), TypeError, "a whole number of bytes, not NoneType"),
    (lambda r: r.read(2.0), TypeError, "a whole number of bytes, not float 2.0"),
    (lambda r: r.read("2"), TypeError, "a whole number of bytes, not str '2'"),
    (lambda r: r.read(None), TypeError, "a whole number of bytes, not NoneType"),
    (lambda r: r.read(fractions.Fraction(2)), TypeError, "a whole number of bytes, not Fraction"),
]


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(("call", "kind", "words"), BAD_CALLS, ids=[str(number) for number in range(len(BAD_CALLS))])
async def test_a_bad_read_takes_nothing(call: Read, kind: type[Exception], words: str) -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"line\nrest")
    coroutine = call(reader)
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        await coroutine
    assert await reader.read(100) == b"line\nrest"


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(("call", "kind", "words"), BAD_CALLS, ids=[str(number) for number in range(len(BAD_CALLS))])
async def test_a_bad_read_is_refused_without_waiting(call: Read, kind: type[Exception], words: str) -> None:
    """Not only when data comes: at the first step, on an empty stream and at its end too."""
    for ended in (False, True):
        reader = sluiceway.StreamReader()
        if ended:
            reader.feed_eof()
        with pytest.raises(kind):
            call(reader).send(None)
        assert reader._waiter is None


@pytest.mark.parametrize("bad", [b"", "\n", ()])
async def test_asyncio_refuses_a_bad_separator_by_the_same_type(streams: types.ModuleType, bad: Any) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"line\n")
    with pytest.raises(TypeError if bad == "\n" else (ValueError, TypeError)):
        await reader.readuntil(bad)


class Three:
    """A whole number of its own kind."""

    def __index__(self) -> int:
        return 3


async def test_numbers_of_other_kinds_count() -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"abcdefgh")
    assert await reader.read(Three()) == b"abc"
    assert await reader.readexactly(Three()) == b"def"
    assert await reader.readexactly(True) == b"g"


@pytest.mark.parametrize("limit", [0, -1, -65536])
async def test_a_limit_is_above_zero(streams: types.ModuleType, limit: int) -> None:
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        streams.StreamReader(limit=limit)


@pytest.mark.parametrize("limit", ["1024", b"1024", [1024]])
async def test_a_limit_is_a_number(streams: types.ModuleType, limit: Any) -> None:
    with pytest.raises(TypeError):
        streams.StreamReader(limit=limit)


@pytest.mark.parametrize("function", ["open_connection", "start_server", "open_unix_connection", "start_unix_server"])
@pytest.mark.parametrize("limit", [0, -1, "1024"])
async def test_the_functions_refuse_a_bad_limit_before_they_connect(function: str, limit: Any, unix_path: str) -> None:
    address: tuple[Any, ...] = (unix_path,) if "unix" in function else ("127.0.0.1", 1)
    callback: tuple[Any, ...] = (lambda reader, writer: None,) if "start" in function else ()
    with pytest.raises(TypeError if limit == "1024" else ValueError, match=r"[Ll]imit .*(given|'1024')"):
        await getattr(sluiceway, function)(*callback, *address, limit=limit)


@pytest.mark.parametrize("data", ["text", 5, object(), ["x"]])
async def test_what_is_fed_is_bytes(streams: types.ModuleType, data: Any) -> None:
    reader = streams.StreamReader()
    with pytest.raises(TypeError):
        reader.feed_data(data)
    reader.feed_eof()
    assert await reader.read() == b""


async def test_a_bad_feed_wakes_nobody() -> None:
    reader = sluiceway.StreamReader()
    task = await start_task(reader.read(5))
    with pytest.raises(TypeError, match="bytes-like object, not 'str'"):
        reader.feed_data("text")
    await run_iterations()
    assert not task.done()
    reader.feed_data(b"data")
    assert await task == b"data"


@pytest.mark.parametrize(
    "data",
    [array.array("B", b"data"), memoryview(b"data"), memoryview(array.array("H", b"data"))],
    ids=["array", "view", "view of larger items"],
)
async def test_any_buffer_can_be_fed(streams: types.ModuleType, data: Any) -> None:
    reader = streams.StreamReader()
    reader.feed_data(data)
    assert await reader.read(9) == b"data"
