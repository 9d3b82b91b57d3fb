"""Invalid input raises TypeError or ValueError that names the value and what is accepted, and takes no byte."""

import array
import fractions
import types
from typing import Any

import pytest

import sluiceway
from support.scheduling import run_iterations, start_task

INVALID_CALLS: list[tuple[str, Any, type[Exception], str]] = [
    ("readuntil", b"", ValueError, "Separator should be at least one-byte string"),
    ("readuntil", bytearray(), ValueError, "Separator should be at least one-byte string"),
    ("readuntil", (), ValueError, "Separator should contain at least one element"),
    ("readuntil", (b"\n", b""), ValueError, "Separator should be at least one-byte string"),
    ("readuntil", "\n", TypeError, "separator argument must be bytes or a tuple of bytes, not 'str'"),
    ("readuntil", (b"\n", "\r"), TypeError, "separator argument must be bytes or a tuple of bytes, not 'str'"),
    ("readuntil", 10, TypeError, "separator argument must be bytes or a tuple of bytes, not 'int'"),
    ("readuntil", None, TypeError, "separator argument must be bytes or a tuple of bytes, not 'NoneType'"),
    ("readuntil", [b"\n"], TypeError, "separator argument must be bytes or a tuple of bytes, not 'list'"),
    ("readexactly", -1, ValueError, "size can not be less than zero: -1 was given"),
    ("readexactly", 2.0, TypeError, "n argument must be an integer, not 'float': 2.0"),
    ("readexactly", "2", TypeError, "n argument must be an integer, not 'str': '2'"),
    ("readexactly", None, TypeError, "n argument must be an integer, not 'NoneType': None"),
    ("read", 2.0, TypeError, "n argument must be an integer, not 'float': 2.0"),
    ("read", "2", TypeError, "n argument must be an integer, not 'str': '2'"),
    ("read", None, TypeError, "n argument must be an integer, not 'NoneType': None"),
    ("read", fractions.Fraction(2), TypeError, "n argument must be an integer, not 'Fraction'"),
]
each_invalid_call = pytest.mark.parametrize(
    ("method", "argument", "kind", "words"), INVALID_CALLS, ids=[f"{call[0]}({call[1]!r})" for call in INVALID_CALLS]
)


@pytest.mark.loops("asyncio")
@each_invalid_call
async def test_invalid_read_argument_raises_and_keeps_bytes(
    method: str, argument: Any, kind: type[Exception], words: str
) -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"line\nrest")
    coroutine = getattr(reader, method)(argument)
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        await coroutine
    assert await reader.read(100) == b"line\nrest"


@pytest.mark.loops("asyncio")
@each_invalid_call
async def test_invalid_read_argument_raises_at_first_step(
    method: str, argument: Any, kind: type[Exception], words: str
) -> None:
    """The read does not wait for data: it raises on an empty stream and at its end too."""
    for ended in (False, True):
        reader = sluiceway.StreamReader()
        if ended:
            reader.feed_eof()
        with pytest.raises(kind):
            getattr(reader, method)(argument).send(None)
        assert reader._waiter is None


@pytest.mark.parametrize("bad", [b"", "\n", ()])
async def test_invalid_separator_raises_error_type_of_asyncio(streams: types.ModuleType, bad: Any) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"line\n")
    with pytest.raises(TypeError if bad == "\n" else (ValueError, TypeError)):
        await reader.readuntil(bad)


@pytest.mark.parametrize("separator", [bytearray(b"\n"), memoryview(b"\n"), array.array("B", b"\n")])
async def test_bytes_like_separator_is_accepted(streams: types.ModuleType, separator: Any) -> None:
    reader = streams.StreamReader()
    reader.feed_data(b"line\nrest")
    assert await reader.readuntil(separator) == b"line\n"


class Three:
    """A number that has __index__ but is not an int."""

    def __index__(self) -> int:
        return 3


async def test_count_with_index_method_is_accepted() -> None:
    reader = sluiceway.StreamReader()
    reader.feed_data(b"abcdefgh")
    assert await reader.read(Three()) == b"abc"
    assert await reader.readexactly(Three()) == b"def"
    assert await reader.readexactly(True) == b"g"


@pytest.mark.parametrize("limit", [0, -1, -65536])
async def test_limit_below_one_raises_value_error(streams: types.ModuleType, limit: int) -> None:
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        streams.StreamReader(limit=limit)


@pytest.mark.parametrize("limit", ["1024", b"1024", [1024]])
async def test_limit_that_is_not_a_number_raises_type_error(streams: types.ModuleType, limit: Any) -> None:
    with pytest.raises(TypeError):
        streams.StreamReader(limit=limit)


@pytest.mark.parametrize("function", ["open_connection", "start_server", "open_unix_connection", "start_unix_server"])
@pytest.mark.parametrize("limit", [0, -1, "1024"])
async def test_invalid_limit_raises_before_connect_or_listen(function: str, limit: Any, unix_path: str) -> None:
    address: tuple[Any, ...] = (unix_path,) if "unix" in function else ("127.0.0.1", 1)
    callback: tuple[Any, ...] = (lambda reader, writer: None,) if "start" in function else ()
    with pytest.raises(TypeError if limit == "1024" else ValueError, match=r"[Ll]imit .*(given|'1024')"):
        await getattr(sluiceway, function)(*callback, *address, limit=limit)


@pytest.mark.parametrize("data", ["text", 5, object(), ["x"]])
async def test_feeding_no_bytes_raises_type_error(streams: types.ModuleType, data: Any) -> None:
    reader = streams.StreamReader()
    with pytest.raises(TypeError):
        reader.feed_data(data)
    reader.feed_eof()
    assert await reader.read() == b""


async def test_invalid_feed_leaves_waiting_read_waiting() -> None:
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
async def test_feed_data_accepts_any_buffer(streams: types.ModuleType, data: Any) -> None:
    reader = streams.StreamReader()
    reader.feed_data(data)
    assert await reader.read(9) == b"data"
