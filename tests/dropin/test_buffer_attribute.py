"""S12: ``StreamReader._buffer`` is the buffer, whoever touches it and whenever."""

import asyncio
import types
from typing import Any
from unittest import mock

import pytest

from support.connections import connect_with_protocol
from support.raw_peer import RawPeers

LIMIT = 4096


async def arrived(reader: Any, count: int) -> None:
    """Wait until so many bytes are unread, by the look of ``_buffer``."""
    while len(reader._buffer) < count:
        await asyncio.sleep(0)


async def test_it_is_one_bytearray_from_the_first_touch_on(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (reader, _, _):
        peer = listener.accept()
        peer.send(b"first ")
        assert await reader.readexactly(2) == b"fi"
        buffer = reader._buffer
        assert type(buffer) is bytearray
        assert buffer == b"rst "
        peer.send(b"second")
        await arrived(reader, 10)
        assert reader._buffer is buffer
        assert buffer == b"rst second"
        assert await reader.readexactly(4) == b"rst "
        assert reader._buffer is buffer
        assert buffer == b"second"
        assert await reader.readexactly(6) == b"second"
        assert reader._buffer is buffer
        assert buffer == b""


async def test_many_arrivals_join_in_order(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    pieces = [bytes([number % 256]) * (number * 37 % 1000) for number in range(200)]
    for piece in pieces:
        reader.feed_data(piece)
    first = await reader.readexactly(500)
    assert first + reader._buffer == b"".join(pieces)
    reader.feed_eof()
    assert first + await reader.read() == b"".join(pieces)


async def test_it_can_be_cleared_extended_and_cut(streams: types.ModuleType) -> None:
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


async def test_it_can_be_assigned(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"forgotten")
    mine = bytearray(b"mine,")
    reader._buffer = mine
    assert reader._buffer is mine
    reader.feed_data(b" and what came\n")
    assert mine == b"mine, and what came\n"
    assert await reader.readuntil(b",") == b"mine,"
    assert mine == b" and what came\n"
    reader._buffer = bytearray()
    assert mine == b" and what came\n"
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
async def test_what_is_put_there_during_a_wait_is_read_when_it_is_woken(
    streams: types.ModuleType, call: str, arguments: tuple[Any, ...], added: bytes, result: bytes
) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reading = asyncio.ensure_future(getattr(reader, call)(*arguments))
    await asyncio.sleep(0)
    reader._buffer.extend(added)
    reader._wakeup_waiter()
    assert await reading == result


@pytest.mark.parametrize("call", ["readline", "readuntil", "readexactly", "read"])
async def test_it_can_be_assigned_during_a_wait(streams: types.ModuleType, call: str) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    arguments = {"readexactly": (5,), "readuntil": (b"\n",), "read": (5,), "readline": ()}[call]
    if call != "read":
        reader.feed_data(b"ab")
    reading = asyncio.ensure_future(getattr(reader, call)(*arguments))
    await asyncio.sleep(0)
    reader._buffer = bytearray(b"abcd")
    reader.feed_data(b"\n")
    assert await reading == b"abcd\n"


@pytest.mark.reference_fails("S12", "it remembers where it searched, and looks behind the end of what was cut")
async def test_it_can_be_cut_during_a_search(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"x" * 1000)
    reading = asyncio.ensure_future(reader.readuntil(b"\n"))
    await asyncio.sleep(0)
    del reader._buffer[:990]
    reader.feed_data(b"y\n")
    reader.feed_eof()
    assert await reading == b"x" * 10 + b"y\n"


async def test_it_can_be_cut_between_two_searches(streams: types.ModuleType) -> None:
    """A cancelled search may be remembered by the next one, but not across a touch."""
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


async def test_it_can_be_cleared_while_the_peer_is_made_to_wait(streams: types.ModuleType, raw_peers: RawPeers) -> None:
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


async def test_assigning_it_while_paused_lets_the_next_read_resume(streams: types.ModuleType) -> None:
    transport = mock.create_autospec(asyncio.Transport, instance=True)
    reader = streams.StreamReader(4, asyncio.get_running_loop())
    reader.set_transport(transport)
    reader.feed_data(b"x" * 9)
    transport.pause_reading.assert_called_once_with()
    reader._buffer = bytearray(b"ab")
    assert await reader.read(1) == b"a"
    transport.resume_reading.assert_called_once_with()


async def test_touching_it_at_every_step_loses_nothing(streams: types.ModuleType, raw_peers: RawPeers) -> None:
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
            seen = bytes(reader._buffer[:10])
            if step % 3 == 0:
                part = await reader.readline()
            elif step % 3 == 1:
                part = await reader.read(step % 2000 + 1)
            else:
                part = bytes(reader._buffer)
                reader._buffer.clear()
            assert part[: len(seen)] == seen[: len(part)]
            received += part
        assert received == data
        await sending


async def arrived_beside_a_view(reader: Any, count: int) -> None:
    """Wait until so many bytes are unread, by the look of the reader: the bytearray cannot grow."""
    while f" {count} bytes " not in repr(reader):
        await asyncio.sleep(0)


@pytest.mark.reference_fails("S12", "the connection ends with BufferError")
@pytest.mark.parametrize("large", [False, True])
async def test_bytes_that_arrive_while_a_view_exists_are_read(
    streams: types.ModuleType, raw_peers: RawPeers, large: bool
) -> None:
    more = b"second\n" * (20_000 if large else 1)
    listener = raw_peers.listen()
    reader = streams.StreamReader(2**20, asyncio.get_running_loop())
    async with connect_with_protocol(streams, listener.address, reader=reader):
        peer = listener.accept()
        peer.send(b"first\n")
        await arrived(reader, 6)
        buffer = reader._buffer
        with memoryview(buffer) as view:
            sending = asyncio.ensure_future(peer.in_thread(peer.send, more))
            await arrived_beside_a_view(reader, 6 + len(more))
            await sending
            assert view == b"first\n"
        assert reader._buffer is buffer
        assert buffer == b"first\n" + more
        peer.send(b"third\n")
        peer.close()
        assert await reader.read() == b"first\n" + more + b"third\n"


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
async def test_reads_while_a_view_exists_return_the_bytes_in_order(
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
    assert reader._buffer is buffer
    assert buffer == rest
    reader.feed_eof()
    assert await reader.read() == rest
    assert reader.at_eof()


@pytest.mark.reference_fails("S12", "the read raises BufferError")
async def test_assigning_the_buffer_to_itself_keeps_what_waits_for_a_view(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc")
    with memoryview(reader._buffer):
        reader.feed_data(b"def")
        reader._buffer = reader._buffer
        assert await reader.read(2) == b"ab"
        reader._buffer = reader._buffer
        assert await reader.read(1) == b"c"
    reader._buffer += b"ghi"
    assert await reader.read(9) == b"defghi"
