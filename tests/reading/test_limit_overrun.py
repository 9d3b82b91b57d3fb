"""Lines and records over the limit: readuntil keeps the bytes, readline discards them, as in asyncio."""

import asyncio
import types

import pytest

from support.connections import connected_pair
from support.fake_transports import CountingTransport
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task


@pytest.mark.parametrize("cut", [0, 1, 4, 6])
async def test_overlong_line_with_newline_is_discarded_alone(streams: types.ModuleType, cut: int) -> None:
    reader = streams.StreamReader(limit=4)
    text = b"12345\nnext\n"
    reader.feed_data(text[:cut])
    task = await start_task(reader.readline())
    reader.feed_data(text[cut:])
    with pytest.raises(ValueError, match="Separator is found, but chunk is longer than limit"):
        await task
    assert await reader.readline() == b"next\n"


async def test_overlong_line_without_newline_is_discarded_as_far_as_received(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=4)
    reader.feed_data(b"123456")
    with pytest.raises(ValueError, match="Separator is not found, and chunk exceed the limit"):
        await reader.readline()
    reader.feed_data(b"7\nnext\n")
    assert await reader.readline() == b"7\n"
    assert await reader.readline() == b"next\n"


@pytest.mark.parametrize("end", [b"", b"\nnext\n"])
async def test_discarded_line_resumes_the_paused_transport(streams: types.ModuleType, end: bytes) -> None:
    reader = streams.StreamReader(limit=8)
    transport = CountingTransport()
    reader.set_transport(transport)
    reader.feed_data(b"x" * 17 + end)
    assert transport.paused
    with pytest.raises(ValueError, match="chunk"):
        await reader.readline()
    assert not transport.paused


@pytest.mark.parametrize("length", [3, 4, 5])
async def test_limit_excludes_separator(streams: types.ModuleType, length: int) -> None:
    reader = streams.StreamReader(limit=4)
    reader.feed_data(b"x" * length + b"\r\n" + b"rest")
    if length <= 4:
        assert await reader.readuntil(b"\r\n") == b"x" * length + b"\r\n"
        assert await reader.read(9) == b"rest"
    else:
        with pytest.raises(asyncio.LimitOverrunError) as error:
            await reader.readuntil(b"\r\n")
        assert error.value.consumed == length
        assert await reader.readexactly(error.value.consumed + 2) == b"x" * length + b"\r\n"
        assert await reader.read(9) == b"rest"


async def test_iteration_continues_after_overlong_line_raises(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=4)
    reader.feed_data(b"one\n12345\ntwo\n")
    reader.feed_eof()
    seen: list[object] = []
    while True:
        try:
            async for line in reader:
                seen.append(line)  # noqa: PERF401 - a comprehension would lose them
        except ValueError as error:
            seen.append(type(error))
        else:
            break
    assert seen == [b"one\n", ValueError, b"two\n"]


async def test_overlong_record_raises_asyncio_limit_overrun_error(streams: types.ModuleType) -> None:
    """S7: the error is an asyncio.LimitOverrunError with asyncio's message and ``consumed``."""
    reader = streams.StreamReader(limit=4)
    reader.feed_data(b"123456")
    with pytest.raises(streams.LimitOverrunError) as error:
        await reader.readuntil(b"\n")
    assert isinstance(error.value, asyncio.LimitOverrunError)
    assert error.value.consumed == 6
    assert str(error.value).startswith("Separator is not found, and chunk exceed the limit")


@pytest.mark.reference_fails("bad input", "the message has no values")
@pytest.mark.parametrize(("data", "size"), [(b"1234567", "at least 7"), (b"1234567\n", "7")])
async def test_error_of_overlong_record_names_limit_and_remedy(
    streams: types.ModuleType, data: bytes, size: str
) -> None:
    reader = streams.StreamReader(limit=4)
    reader.feed_data(data)
    words = rf": a record of {size} bytes exceeds the limit of 4 bytes; raise limit=, or "
    remedy = r"read the data with readexactly\(error.consumed\)$"
    with pytest.raises(streams.LimitOverrunError, match=words + remedy) as raised:
        await reader.readuntil(b"\n")
    assert raised.value.consumed == 7
    with pytest.raises(ValueError, match=words + r"use readuntil\(\), which keeps the data$"):
        await reader.readline()


async def test_record_without_separator_raises_at_limit_on_connection(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """The error is raised at the limit while the peer still sends; the peer is slowed down by the unread bytes."""
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address, limit=64 * 1024)
    peer = listener.accept()
    peer.sock.setblocking(False)
    task = await start_task(reader.readuntil(b"\n"))
    sent = 0
    block = b"x" * 65536
    while sent < 10_000_000 and not task.done():
        try:
            sent += peer.sock.send(block)
        except BlockingIOError:
            pass
        await run_iterations(1)
    with pytest.raises(asyncio.LimitOverrunError) as error:
        await task
    assert error.value.consumed > 64 * 1024
    writer.transport.abort()
    writer.close()
    await writer.wait_closed()


async def test_line_after_overlong_line_is_intact_on_connection(streams: types.ModuleType) -> None:
    async with connected_pair(streams, client={"limit": 1000}) as ((reader, _), (_, far)):
        far.write(b"x" * 5000 + b"\nnext\n")
        await far.drain()
        far.write_eof()
        lines: list[object] = []
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                continue
            if not line:
                break
            lines.append(line)
        assert lines[-1] == b"next\n"
