"""S4: every method of StreamReader, fed by hand, as in asyncio."""

import asyncio
import types

import pytest

from support.scheduling import run_iterations, start_task


def reader_of(streams: types.ModuleType, *chunks: bytes, eof: bool = False, limit: int = 65536):  # type: ignore[no-untyped-def]
    reader = streams.StreamReader(limit=limit, loop=asyncio.get_running_loop())
    for chunk in chunks:
        reader.feed_data(chunk)
    if eof:
        reader.feed_eof()
    return reader


async def test_read_takes_what_is_there_up_to_n(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"abc", b"def")
    assert await reader.read(4) == b"abcd"
    assert await reader.read(4) == b"ef"


async def test_read_waits_for_the_first_byte_only(streams: types.ModuleType) -> None:
    reader = reader_of(streams)
    task = await start_task(reader.read(100))
    reader.feed_data(b"x")
    assert await task == b"x"


@pytest.mark.parametrize("arguments", [(), (-1,), (-7,)])
async def test_read_without_a_count_goes_to_the_end(streams: types.ModuleType, arguments: tuple[int, ...]) -> None:
    reader = reader_of(streams, b"ab")
    task = await start_task(reader.read(*arguments))
    reader.feed_data(b"cd" * 100)
    await run_iterations()
    assert not task.done()
    reader.feed_eof()
    assert await task == b"ab" + b"cd" * 100
    assert await reader.read(*arguments) == b""


async def test_reading_nothing_does_not_wait(streams: types.ModuleType) -> None:
    reader = reader_of(streams)
    assert await reader.read(0) == b""
    assert await reader.readexactly(0) == b""
    reader.feed_data(b"kept")
    assert await reader.read(0) == b""
    assert await reader.readexactly(0) == b""
    assert await reader.read(9) == b"kept"


async def test_reads_at_the_end(streams: types.ModuleType) -> None:
    reader = reader_of(streams, eof=True)
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


async def test_the_end_in_the_middle_of_readexactly(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"abc")
    task = await start_task(reader.readexactly(5))
    reader.feed_data(b"d")
    await run_iterations()
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as error:
        await task
    assert (error.value.partial, error.value.expected) == (b"abcd", 5)
    assert reader.at_eof(), "the partial bytes are taken"


async def test_the_end_in_the_middle_of_a_record(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"one--two-")
    assert await reader.readuntil(b"--") == b"one--"
    task = await start_task(reader.readuntil(b"--"))
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as error:
        await task
    assert (error.value.partial, error.value.expected) == (b"two-", None)
    assert reader.at_eof()


async def test_a_last_line_without_newline(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"one\n", b"two", eof=True)
    assert await reader.readline() == b"one\n"
    assert await reader.readline() == b"two"
    assert await reader.readline() == b""


async def test_a_record_that_ends_with_the_input_is_whole(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"one--", eof=True)
    assert await reader.readuntil(b"--") == b"one--"
    assert reader.at_eof()


async def test_at_eof_is_after_the_last_byte(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"x")
    assert not reader.at_eof()
    reader.feed_eof()
    assert not reader.at_eof()
    await reader.read(1)
    assert reader.at_eof()


async def test_feeding_after_the_end_is_a_mistake(streams: types.ModuleType) -> None:
    reader = reader_of(streams, eof=True)
    with pytest.raises(AssertionError):
        reader.feed_data(b"late")
    reader.feed_eof()


async def test_a_second_transport_is_a_mistake(streams: types.ModuleType) -> None:
    reader = reader_of(streams)
    reader.set_transport(asyncio.ReadTransport())
    with pytest.raises(AssertionError):
        reader.set_transport(asyncio.ReadTransport())


async def test_what_is_fed_is_taken_as_it_is_at_that_moment(streams: types.ModuleType) -> None:
    changing = bytearray(b"before")
    reader = reader_of(streams)
    reader.feed_data(changing)
    changing[:] = b"AFTER!"
    reader.feed_data(memoryview(changing)[:5])
    reader.feed_data(b"")
    changing.clear()
    assert await reader.read(100) == b"beforeAFTER"


async def test_results_are_bytes(streams: types.ModuleType) -> None:
    class Received(bytes):
        """What a transport of some sort may hand over."""

    reader = reader_of(streams)
    for kind in (bytes, bytearray, Received):
        for read in (lambda: reader.read(9), reader.readline, reader.readuntil, lambda: reader.readexactly(2)):
            reader.feed_data(kind(b"a\n"))
            assert type(await read()) is bytes


async def test_lines_are_iterated_to_the_end(streams: types.ModuleType) -> None:
    """S10"""
    reader = reader_of(streams, b"one\ntwo\n\nth", b"ree")
    seen = []
    task = None
    async for line in reader:
        seen.append(line)
        if len(seen) == 3:
            task = asyncio.get_running_loop().call_soon(reader.feed_eof)
    assert task is not None
    assert seen == [b"one\n", b"two\n", b"\n", b"three"]


async def test_an_exception_ends_every_read(streams: types.ModuleType) -> None:
    """R2: a public set_exception raises at once, with unread bytes too."""
    reader = reader_of(streams, b"unread\n")
    assert reader.exception() is None
    gone = ConnectionResetError("gone")
    reader.set_exception(gone)
    assert reader.exception() is gone
    for read in (reader.read(1), reader.read(), reader.readexactly(1), reader.readline(), reader.readuntil()):
        with pytest.raises(ConnectionResetError) as error:
            await read
        assert error.value is gone


@pytest.mark.parametrize("name", ["read", "readline", "readuntil"])
async def test_an_exception_wakes_the_read_that_waits(streams: types.ModuleType, name: str) -> None:
    reader = reader_of(streams)
    task = await start_task(getattr(reader, name)())
    gone = ValueError("gone")
    reader.set_exception(gone)
    with pytest.raises(ValueError, match="gone"):
        await task


@pytest.mark.parametrize(
    ("name", "arguments"), [("read", (9,)), ("readline", ()), ("readuntil", (b"\n",)), ("readexactly", (5,))]
)
async def test_data_that_woke_a_read_is_its_own_whatever_is_told_in_the_same_turn(
    streams: types.ModuleType, name: str, arguments: tuple[int, ...]
) -> None:
    reader = reader_of(streams)
    task = await start_task(getattr(reader, name)(*arguments))
    reader.feed_data(b"line\n")
    reader.set_exception(ValueError("told"))
    assert await task == b"line\n"
    with pytest.raises(ValueError, match="told"):
        await reader.read(1)


async def test_the_reader_tells_about_itself(streams: types.ModuleType) -> None:
    reader = reader_of(streams, b"12345", eof=True, limit=99)
    reader.set_exception(ValueError("why"))
    assert repr(reader) == "<StreamReader 5 bytes eof limit=99 exception=ValueError('why')>"
    assert repr(reader_of(streams)) == "<StreamReader>"
