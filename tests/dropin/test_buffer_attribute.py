"""S12: ``StreamReader._buffer`` is the buffer: what a program reads, assigns or changes there takes effect."""

import asyncio
import types
from typing import Any
from unittest import mock

import pytest

import sluiceway
from sluiceway._implementation import core
from support.connections import connect_with_protocol
from support.raw_peer import RawPeers

LIMIT = 4096


async def wait_for_buffered(reader: Any, count: int) -> None:
    """Wait until ``_buffer`` has ``count`` bytes."""
    while len(reader._buffer) < count:
        await asyncio.sleep(0)


async def test_buffer_stays_same_bytearray_after_first_access(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (reader, _, _):
        peer = listener.accept()
        peer.send(b"first ")
        assert await reader.readexactly(2) == b"fi"
        buffer = reader._buffer
        assert type(buffer) is bytearray
        assert buffer == b"rst "
        peer.send(b"second")
        await wait_for_buffered(reader, 10)
        assert reader._buffer is buffer
        assert buffer == b"rst second"
        assert await reader.readexactly(4) == b"rst "
        assert reader._buffer is buffer
        assert buffer == b"second"
        assert await reader.readexactly(6) == b"second"
        assert reader._buffer is buffer
        assert buffer == b""


async def test_buffer_has_chunks_in_order(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    pieces = [bytes([number % 256]) * (number * 37 % 1000) for number in range(200)]
    for piece in pieces:
        reader.feed_data(piece)
    first = await reader.readexactly(500)
    assert first + reader._buffer == b"".join(pieces)
    reader.feed_eof()
    assert first + await reader.read() == b"".join(pieces)


async def test_buffer_can_be_cleared_extended_and_truncated(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"plaintext")
    reader._buffer.clear()
    reader.feed_data(b"abcdef\n")
    del reader._buffer[:2]
    assert await reader.readexactly(1) == b"c"
    reader._buffer[0:0] = b"pushed back, "
    reader._buffer.extend(b"more\n")
    assert await reader.readline() == b"pushed back, def\n"
    del reader._buffer[2:]
    assert await reader.read(100) == b"mo"
    assert not reader._buffer
    reader.feed_eof()
    assert reader.at_eof()
    reader._buffer += b"after the end"
    assert not reader.at_eof()
    assert await reader.read() == b"after the end"


async def test_assigned_buffer_is_used_for_reads_and_new_data(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"forgotten")
    assigned = bytearray(b"mine,")
    reader._buffer = assigned
    assert reader._buffer is assigned
    reader.feed_data(b" and what came\n")
    assert assigned == b"mine, and what came\n"
    assert await reader.readuntil(b",") == b"mine,"
    assert assigned == b" and what came\n"
    reader._buffer = bytearray()
    assert assigned == b" and what came\n"
    reader.feed_eof()
    assert await reader.read() == b""


@pytest.mark.parametrize(
    ("call", "arguments", "added", "result"),
    [
        ("read", (100,), b"xy", b"xy"),
        ("readline", (), b"xy\n", b"xy\n"),
        ("readuntil", (b"y",), b"xy", b"xy"),
        ("readexactly", (2,), b"xy", b"xy"),
    ],
)
async def test_waiting_read_returns_bytes_added_to_buffer_when_woken(
    streams: types.ModuleType, call: str, arguments: tuple[Any, ...], added: bytes, result: bytes
) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reading = asyncio.ensure_future(getattr(reader, call)(*arguments))
    await asyncio.sleep(0)
    reader._buffer.extend(added)
    reader._wakeup_waiter()
    assert await reading == result


@pytest.mark.parametrize("call", ["readline", "readuntil", "readexactly", "read"])
async def test_waiting_read_uses_buffer_assigned_during_wait(streams: types.ModuleType, call: str) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    arguments = {"readexactly": (5,), "readuntil": (b"\n",), "read": (5,), "readline": ()}[call]
    if call != "read":
        reader.feed_data(b"ab")
    reading = asyncio.ensure_future(getattr(reader, call)(*arguments))
    await asyncio.sleep(0)
    reader._buffer = bytearray(b"abcd")
    reader.feed_data(b"\n")
    assert await reading == b"abcd\n"


@pytest.mark.reference_fails("S12", "it keeps its search position, which is beyond the end of the truncated buffer")
async def test_waiting_readuntil_finds_separator_after_buffer_is_truncated(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"x" * 1000)
    reading = asyncio.ensure_future(reader.readuntil(b"\n"))
    await asyncio.sleep(0)
    del reader._buffer[:990]
    reader.feed_data(b"y\n")
    reader.feed_eof()
    assert await reading == b"x" * 10 + b"y\n"


async def test_readuntil_after_cancelled_one_finds_separator_in_truncated_buffer(streams: types.ModuleType) -> None:
    """The next search may continue where a cancelled one ended, but not if the buffer was changed between them."""
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"x" * 1000)
    for cut in (990, 8, 2):
        reading = asyncio.ensure_future(reader.readuntil(b"\n"))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        del reader._buffer[:cut]
    reader.feed_data(b"\n")
    assert await reader.readuntil(b"\n") == b"\n"


async def test_read_resumes_transport_after_paused_buffer_is_cleared(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    size = 1 << 20
    listener = raw_peers.listen()
    reader = streams.StreamReader(LIMIT, asyncio.get_running_loop())
    async with connect_with_protocol(streams, listener.address, reader=reader):
        peer = listener.accept()
        sending = asyncio.ensure_future(peer.in_thread(peer.send, bytes(size)))
        while not reader._paused:
            await asyncio.sleep(0)
        cleared = len(reader._buffer)
        assert cleared > 2 * LIMIT
        reader._buffer.clear()
        assert len(await reader.readexactly(size - cleared)) == size - cleared
        await sending


async def test_read_resumes_transport_after_paused_buffer_is_assigned(streams: types.ModuleType) -> None:
    transport = mock.create_autospec(asyncio.Transport, instance=True)
    reader = streams.StreamReader(4, asyncio.get_running_loop())
    reader.set_transport(transport)
    reader.feed_data(b"x" * 9)
    transport.pause_reading.assert_called_once_with()
    reader._buffer = bytearray(b"ab")
    assert await reader.read(1) == b"a"
    transport.resume_reading.assert_called_once_with()


async def test_buffer_access_between_reads_loses_no_byte(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    data = b"".join(b"%d\n" % number for number in range(50_000))
    listener = raw_peers.listen()
    reader = streams.StreamReader(LIMIT, asyncio.get_running_loop())
    async with connect_with_protocol(streams, listener.address, reader=reader):
        peer = listener.accept()
        sending = asyncio.ensure_future(peer.in_thread(peer.send, data))
        received = bytearray()
        step = 0
        while len(received) < len(data):
            step += 1
            beginning = bytes(reader._buffer[:10])
            if step % 3 == 0:
                part = await reader.readline()
            elif step % 3 == 1:
                part = await reader.read(step % 2000 + 1)
            else:
                part = bytes(reader._buffer)
                reader._buffer.clear()
            assert part[: len(beginning)] == beginning[: len(part)]
            received += part
        assert received == data
        await sending


@pytest.mark.reference_fails("S12", "the connection ends with BufferError")
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
async def test_bytes_received_while_memoryview_exists_are_read(
    streams: types.ModuleType, raw_peers: RawPeers, large: bool
) -> None:
    second = b"second\n" * (20_000 if large else 1)
    listener = raw_peers.listen()
    reader = streams.StreamReader(2**20, asyncio.get_running_loop())
    async with connect_with_protocol(streams, listener.address, reader=reader):
        peer = listener.accept()
        peer.send(b"first\n")
        await wait_for_buffered(reader, 6)
        buffer = reader._buffer
        with memoryview(buffer) as view:
            sending = asyncio.ensure_future(peer.in_thread(peer.send, second))
            await wait_for_buffered(reader, 6 + len(second))
            await sending
            assert view == b"first\n"
        assert buffer == b"first\n"
        assert reader._buffer == b"first\n" + second
        peer.send(b"third\n")
        peer.close()
        assert await reader.read() == b"first\n" + second + b"third\n"


@pytest.mark.reference_fails("S12", "the read raises BufferError")
@pytest.mark.parametrize(
    ("call", "arguments", "result"),
    [
        ("read", (4,), b"abc\n"),
        ("readline", (), b"abc\n"),
        ("readuntil", (b"c",), b"abc"),
        ("readexactly", (6,), b"abc\nde"),
        ("readexactly", (10,), b"abc\ndef\ngh"),
    ],
)
async def test_reads_while_memoryview_exists_return_bytes_in_order(
    streams: types.ModuleType, call: str, arguments: tuple[Any, ...], result: bytes
) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc\ndef\n")
    buffer = reader._buffer
    with memoryview(buffer) as view:
        reader.feed_data(b"ghi\n")
        assert await getattr(reader, call)(*arguments) == result
        assert view == b"abc\ndef\n"
        reader.feed_data(b"jkl\n")
    rest = b"abc\ndef\nghi\njkl\n"[len(result) :]
    assert reader._buffer == rest
    assert buffer == b"abc\ndef\n"
    reader.feed_eof()
    assert await reader.read() == rest
    assert reader.at_eof()


@pytest.mark.reference_fails("S12", "the read raises BufferError")
async def test_buffer_while_memoryview_exists_equals_unread_bytes(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc")
    with memoryview(reader._buffer):
        reader.feed_data(b"def")
        assert reader._buffer == b"abcdef"
        assert await reader.read(2) == b"ab"
        reader._buffer = bytearray(reader._buffer)
        assert await reader.read(1) == b"c"
        assert reader._buffer == b"def"
    reader._buffer += b"ghi"
    assert await reader.read(9) == b"defghi"


async def begin_read(reader: Any) -> None:
    """Let a read wait, and cancel it."""
    reading = asyncio.create_task(reader.readexactly(1000))
    while reader._waiter is None:
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])


def uses_bytearray(reader: Any) -> bool:
    return isinstance(reader._sluiceway.buffer, core.BytearrayBuffer)


@pytest.mark.parametrize("unread", [b"", b"unread"])
async def test_buffer_that_the_program_does_not_hold_is_chunks_again_after_a_wait(unread: bytes) -> None:
    reader = sluiceway.StreamReader(loop=asyncio.get_running_loop())
    for _ in range(2):
        reader.feed_data(unread)
        assert reader._buffer == unread
        assert uses_bytearray(reader)
        await begin_read(reader)
        assert not uses_bytearray(reader)
        assert await reader.readexactly(len(unread)) == unread


@pytest.mark.parametrize("held", ["accessed", "assigned", "a memoryview"])
async def test_buffer_that_the_program_holds_stays_the_buffer_during_a_wait(held: str) -> None:
    reader = sluiceway.StreamReader(loop=asyncio.get_running_loop())
    holder: Any
    if held == "assigned":
        holder = reader._buffer = bytearray()
    else:
        holder = reader._buffer if held == "accessed" else memoryview(reader._buffer)
    await begin_read(reader)
    assert uses_bytearray(reader)
    if held != "a memoryview":
        holder += b"pushed"
        assert await reader.readexactly(6) == b"pushed"
    del holder
    await begin_read(reader)
    assert not uses_bytearray(reader)


async def test_bytes_that_the_program_assigned_and_changed_are_read_after_the_wait() -> None:
    reader = sluiceway.StreamReader(loop=asyncio.get_running_loop())
    reader._buffer = bytearray(b"assigned")
    reader._buffer += b" and changed"
    await begin_read(reader)
    assert not uses_bytearray(reader)
    reader.feed_data(b"\nnext")
    assert await reader.readline() == b"assigned and changed\n"


@pytest.mark.parametrize("kept", ["a subclass", "4097 bytes"])
async def test_buffer_that_a_copy_could_change_or_slow_down_stays(kept: str) -> None:
    class Own(bytearray):
        pass

    reader = sluiceway.StreamReader(loop=asyncio.get_running_loop())
    reader._buffer = Own() if kept == "a subclass" else bytearray(4097)
    reading = asyncio.create_task(reader.readexactly(10_000))
    while reader._waiter is None:
        await asyncio.sleep(0)
    assert uses_bytearray(reader)
    reader.feed_data(bytes(10_000))
    assert await reading == bytes(10_000)


async def test_buffer_is_chunks_again_when_a_read_yields_to_the_loop() -> None:
    reader = sluiceway.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"x" * 1000)
    assert len(reader._buffer) == 1000
    for _ in range(300):
        assert await reader.readexactly(1) == b"x"
    assert not uses_bytearray(reader)
