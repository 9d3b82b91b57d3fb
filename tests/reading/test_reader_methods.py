"""S4: every method of StreamReader behaves as in asyncio; the reader is fed directly."""

import asyncio
import types

import pytest

from support.scheduling import run_iterations, start_task


def fed_reader(streams: types.ModuleType, *chunks: bytes, eof: bool = False, limit: int = 65536):  # type: ignore[no-untyped-def]
    reader = streams.StreamReader(limit=limit, loop=asyncio.get_running_loop())
    for chunk in chunks:
        reader.feed_data(chunk)
    if eof:
        reader.feed_eof()
    return reader


async def test_read_returns_buffered_bytes_up_to_count(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"abc", b"def")
    assert await reader.read(4) == b"abcd"
    assert await reader.read(4) == b"ef"


async def test_waiting_read_returns_first_bytes_that_arrive(streams: types.ModuleType) -> None:
    reader = fed_reader(streams)
    task = await start_task(reader.read(100))
    reader.feed_data(b"x")
    assert await task == b"x"


@pytest.mark.parametrize("arguments", [(), (-1,), (-7,)])
async def test_read_without_count_returns_all_bytes_at_eof(
    streams: types.ModuleType, arguments: tuple[int, ...]
) -> None:
    reader = fed_reader(streams, b"ab")
    task = await start_task(reader.read(*arguments))
    reader.feed_data(b"cd" * 100)
    await run_iterations()
    assert not task.done()
    reader.feed_eof()
    assert await task == b"ab" + b"cd" * 100
    assert await reader.read(*arguments) == b""


async def test_zero_byte_read_returns_empty_without_wait(streams: types.ModuleType) -> None:
    reader = fed_reader(streams)
    assert await reader.read(0) == b""
    assert await reader.readexactly(0) == b""
    reader.feed_data(b"kept")
    assert await reader.read(0) == b""
    assert await reader.readexactly(0) == b""
    assert await reader.read(9) == b"kept"


async def test_reads_at_eof_return_empty_or_raise_incomplete_read(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, eof=True)
    assert await reader.read(5) == b""
    assert await reader.read() == b""
    assert await reader.readline() == b""
    assert await reader.readexactly(0) == b""
    with pytest.raises(asyncio.IncompleteReadError) as exactly:
        await reader.readexactly(5)
    assert (exactly.value.partial, exactly.value.expected) == (b"", 5)
    with pytest.raises(asyncio.IncompleteReadError) as until:
        await reader.readuntil()
    assert (until.value.partial, until.value.expected) == (b"", None)


async def test_eof_during_readexactly_raises_with_partial_bytes(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"abc")
    task = await start_task(reader.readexactly(5))
    reader.feed_data(b"d")
    await run_iterations()
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as error:
        await task
    assert (error.value.partial, error.value.expected) == (b"abcd", 5)
    assert reader.at_eof(), "the partial bytes are still buffered"


async def test_eof_during_readuntil_raises_with_partial_bytes(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"one--two-")
    assert await reader.readuntil(b"--") == b"one--"
    task = await start_task(reader.readuntil(b"--"))
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as error:
        await task
    assert (error.value.partial, error.value.expected) == (b"two-", None)
    assert reader.at_eof()


async def test_last_line_without_newline_is_returned(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"one\n", b"two", eof=True)
    assert await reader.readline() == b"one\n"
    assert await reader.readline() == b"two"
    assert await reader.readline() == b""


async def test_record_that_ends_at_eof_is_returned(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"one--", eof=True)
    assert await reader.readuntil(b"--") == b"one--"
    assert reader.at_eof()


async def test_at_eof_is_true_only_after_last_byte_is_read(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"x")
    assert not reader.at_eof()
    reader.feed_eof()
    assert not reader.at_eof()
    await reader.read(1)
    assert reader.at_eof()


async def test_feed_data_after_feed_eof_raises_assertion_error(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, eof=True)
    with pytest.raises(AssertionError):
        reader.feed_data(b"late")
    reader.feed_eof()


async def test_second_set_transport_raises_assertion_error(streams: types.ModuleType) -> None:
    reader = fed_reader(streams)
    reader.set_transport(asyncio.ReadTransport())
    with pytest.raises(AssertionError):
        reader.set_transport(asyncio.ReadTransport())


async def test_fed_buffer_is_copied_at_feed_data(streams: types.ModuleType) -> None:
    changing = bytearray(b"before")
    reader = fed_reader(streams)
    reader.feed_data(changing)
    changing[:] = b"AFTER!"
    reader.feed_data(memoryview(changing)[:5])
    reader.feed_data(b"")
    changing.clear()
    assert await reader.read(100) == b"beforeAFTER"


async def test_reads_return_plain_bytes_for_any_fed_type(streams: types.ModuleType) -> None:
    class Received(bytes):
        """A subclass of bytes, which a transport may deliver."""

    reader = fed_reader(streams)
    for kind in (bytes, bytearray, Received):
        for read in (lambda: reader.read(9), reader.readline, reader.readuntil, lambda: reader.readexactly(2)):
            reader.feed_data(kind(b"a\n"))
            assert type(await read()) is bytes


async def test_iteration_returns_lines_until_eof(streams: types.ModuleType) -> None:
    """S10: ``async for`` returns every line, the last without newline too."""
    reader = fed_reader(streams, b"one\ntwo\n\nth", b"ree")
    lines = []
    task = None
    async for line in reader:
        lines.append(line)
        if len(lines) == 3:
            task = asyncio.get_running_loop().call_soon(reader.feed_eof)
    assert task is not None
    assert lines == [b"one\n", b"two\n", b"\n", b"three"]


async def test_set_exception_fails_every_read_immediately(streams: types.ModuleType) -> None:
    """R2: set_exception() fails the next read immediately, even with unread bytes."""
    reader = fed_reader(streams, b"unread\n")
    assert reader.exception() is None
    error_set = ConnectionResetError("lost")
    reader.set_exception(error_set)
    assert reader.exception() is error_set
    for read in (reader.read(1), reader.read(), reader.readexactly(1), reader.readline(), reader.readuntil()):
        with pytest.raises(ConnectionResetError) as error:
            await read
        assert error.value is error_set


@pytest.mark.parametrize("name", ["read", "readline", "readuntil"])
async def test_set_exception_fails_waiting_read(streams: types.ModuleType, name: str) -> None:
    reader = fed_reader(streams)
    task = await start_task(getattr(reader, name)())
    error_set = ValueError("lost")
    reader.set_exception(error_set)
    with pytest.raises(ValueError, match="lost"):
        await task


@pytest.mark.parametrize(
    ("name", "arguments"), [("read", (9,)), ("readline", ()), ("readuntil", (b"\n",)), ("readexactly", (5,))]
)
async def test_read_completed_before_set_exception_returns_its_data(
    streams: types.ModuleType, name: str, arguments: tuple[int, ...]
) -> None:
    reader = fed_reader(streams)
    task = await start_task(getattr(reader, name)(*arguments))
    reader.feed_data(b"line\n")
    reader.set_exception(ValueError("set later"))
    assert await task == b"line\n"
    with pytest.raises(ValueError, match="set later"):
        await reader.read(1)


async def test_repr_shows_buffered_size_eof_limit_and_exception(streams: types.ModuleType) -> None:
    reader = fed_reader(streams, b"12345", eof=True, limit=99)
    reader.set_exception(ValueError("why"))
    assert repr(reader) == "<StreamReader 5 bytes eof limit=99 exception=ValueError('why')>"
    assert repr(fed_reader(streams)) == "<StreamReader>"
