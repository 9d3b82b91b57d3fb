"""W7: what was handed to write is what is sent, as it was at that moment."""

import array
import asyncio
import ctypes
import types
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.non_reading_peer import PAYLOAD, non_reading_peer
from support.raw_peer import RawPeers

Send = Callable[[Any, Any], None]


def by_write(writer: Any, data: Any) -> None:
    writer.write(data)


def by_writelines(writer: Any, data: Any) -> None:
    writer.writelines([data])


both = pytest.mark.parametrize("send", [by_write, by_writelines])


class Shouting(bytes):
    """Bytes that say something else when they are asked politely."""

    def __bytes__(self) -> bytes:
        return b"something else"

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return iter(b"xyz")


def _strided() -> memoryview:
    return memoryview(b"a-b-c-d-")[::2]


def _backwards() -> memoryview:
    return memoryview(array.array("i", [1, 2, 3]))[::-1]


def _matrix() -> memoryview:
    return memoryview(bytes(range(24))).cast("i", (2, 3))


MULTIBYTE = {
    "ints": lambda: memoryview(array.array("i", range(1000))),
    "doubles": lambda: memoryview(array.array("d", range(1000))),
    "matrix": _matrix,
    "strided": _strided,
    "backwards": _backwards,
    "array": lambda: array.array("i", range(1000)),
    "ctypes": lambda: (ctypes.c_uint16 * 5)(1, 2, 3, 4, 5),
    "scalar": lambda: memoryview(b"\0\1\2\3").cast("B", shape=[4]).cast("i", shape=[]),
    "empty": lambda: memoryview(b""),
    "readonly": lambda: memoryview(bytearray(b"abc")).toreadonly(),
}


@pytest.mark.parametrize("shape", MULTIBYTE)
@both
async def test_buffer_of_any_shape_is_sent_whole(raw_peers: RawPeers, send: Send, shape: str) -> None:
    """W7: memoryviews of any item size and layout, arrays: the bytes that tobytes() gives."""
    data = MULTIBYTE[shape]()
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        send(writer, data)
        writer.write(b"|end")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == memoryview(data).tobytes() + b"|end"


@both
async def test_typed_view_larger_than_the_kernel_takes_is_sent_whole(raw_peers: RawPeers, send: Send) -> None:
    """W7: a memoryview of doubles, sent in many parts to a peer that reads late, byte for byte."""
    data = memoryview(array.array("d", PAYLOAD))
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        send(writer, data)
        writer.write(b"|end")
        rest = await _late_reading(writer, peer)
    assert rest == PAYLOAD + b"|end"


async def _late_reading(writer: Any, peer: Any) -> bytes:
    """Close, and only then let the peer read."""
    assert writer.transport.get_write_buffer_size() > 0
    writer.close()
    received = asyncio.create_task(peer.in_thread(peer.receive_rest))
    await writer.wait_closed()
    rest: bytes = await received
    return rest


@both
async def test_bytearray_changed_after_write(raw_peers: RawPeers, send: Send) -> None:
    """W7: the caller may overwrite, clear and fill its bytearray again while most of it is unsent."""
    data = bytearray(PAYLOAD)
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        send(writer, data)
        data[:] = bytes(len(data))
        # Whoever still exports the buffer would refuse this with a BufferError.
        data.clear()
        data += b"again"
        send(writer, data)
        data.clear()
        rest = await _late_reading(writer, peer)
    assert rest == PAYLOAD + b"again"


@both
async def test_memory_under_a_view_changed_after_write(raw_peers: RawPeers, send: Send) -> None:
    """W7: the same for a memoryview of the caller's memory, which may also be released."""
    memory = bytearray(PAYLOAD)
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        with memoryview(memory)[1:] as view:
            send(writer, view)
        memory[:] = bytes(len(memory))
        rest = await _late_reading(writer, peer)
    assert rest == PAYLOAD[1:]


@both
async def test_subclass_of_bytes_is_sent_as_its_content(
    streams: types.ModuleType, raw_peers: RawPeers, send: Send
) -> None:
    """W7: a subclass of bytes may overload __bytes__, __len__ and __iter__; its content is what is written."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        send(writer, Shouting(b"the content"))
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"the content"


async def test_empty_pieces_are_harmless(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W7: empty pieces before, between and after others; nothing but empty pieces; no pieces at all."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.writelines([])
        writer.writelines([b"", b""])
        writer.writelines([b"", b"a", b"", bytearray(), b"b", memoryview(b""), b""])
        writer.write(b"")
        writer.write(bytearray())
        writer.writelines(piece for piece in (b"c", b"", b"d"))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"abcd"


async def test_empty_pieces_behind_a_backlog(raw_peers: RawPeers) -> None:
    """W7: the same where everything has to wait for the peer to read."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.write(PAYLOAD)
        writer.writelines([b"", b"", b"a", b""])
        writer.write(b"")
        writer.writelines([b"", b""])
        rest = await _late_reading(writer, peer)
    assert rest == PAYLOAD + b"a"


async def test_pieces_and_writes_keep_their_order_through_partial_sends(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W7: pieces of odd sizes by write and writelines in turn, larger than the kernel takes, byte for byte."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        start = 0
        for step in range(1, 400):
            piece = PAYLOAD[start : start + step * 131]
            start += len(piece)
            if step % 2:
                writer.write(piece)
            else:
                half = len(piece) // 3
                writer.writelines([piece[:half], bytearray(piece[half:])])
        rest = await _late_reading(writer, peer)
    assert start > 8 << 20
    assert rest == PAYLOAD[:start]


NOT_BYTES = ["text", 5, None, 1.5, object(), ["a"], {"a": 1}]


@pytest.mark.parametrize("data", NOT_BYTES, ids=[type(data).__name__ for data in NOT_BYTES])
async def test_write_refuses_what_is_not_bytes(raw_peers: RawPeers, data: object) -> None:
    """A TypeError that names the type, at the call; the connection goes on."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        with pytest.raises(TypeError, match=type(data).__name__):
            writer.write(data)
        with pytest.raises(TypeError):
            writer.writelines([b"never sent", data])
        writer.write(b"fine")
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"fine"


@pytest.mark.parametrize("data", [b"abc", "abc", 5, None], ids=["bytes", "str", "int", "None"])
async def test_writelines_refuses_what_is_no_iterable_of_bytes(raw_peers: RawPeers, data: object) -> None:
    """writelines(b"abc") would iterate over numbers: a TypeError, and nothing is sent."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        with pytest.raises(TypeError):
            writer.writelines(data)
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b""


async def test_write_refuses_what_is_not_bytes_after_close_too(raw_peers: RawPeers) -> None:
    """A mistake is told whether the bytes would be sent or dropped."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.close()
        with pytest.raises(TypeError):
            writer.write("text")
        await writer.wait_closed()


async def test_iterable_that_fails_sends_nothing(raw_peers: RawPeers) -> None:
    """The error of the caller's generator comes out of writelines, and no part of it was sent."""

    def pieces() -> Any:
        yield b"first"
        raise LookupError("of the caller")

    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        with pytest.raises(LookupError, match="of the caller"):
            writer.writelines(pieces())
        writer.write(b"next")
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"next"


async def test_released_view_is_refused(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """A released memoryview is a ValueError at the call, never an error of the connection."""
    view = memoryview(b"abc")
    view.release()
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        with pytest.raises(ValueError, match="released"):
            writer.write(view)
        writer.write(b"fine")
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"fine"
