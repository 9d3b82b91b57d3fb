"""W7: write() and writelines() send the bytes that the data had at the call; the caller may reuse its memory."""

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


with_write_and_writelines = pytest.mark.parametrize("send", [by_write, by_writelines])


class OverloadedBytes(bytes):
    """Bytes whose methods disagree with their content."""

    def __bytes__(self) -> bytes:
        return b"something else"

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return iter(b"xyz")


def strided_view() -> memoryview:
    return memoryview(b"a-b-c-d-")[::2]


def reversed_view() -> memoryview:
    return memoryview(array.array("i", [1, 2, 3]))[::-1]


def matrix_view() -> memoryview:
    return memoryview(bytes(range(24))).cast("i", (2, 3))


BUFFERS = {
    "ints": lambda: memoryview(array.array("i", range(1000))),
    "doubles": lambda: memoryview(array.array("d", range(1000))),
    "matrix": matrix_view,
    "strided": strided_view,
    "reversed": reversed_view,
    "array": lambda: array.array("i", range(1000)),
    "ctypes": lambda: (ctypes.c_uint16 * 5)(1, 2, 3, 4, 5),
    "scalar": lambda: memoryview(b"\0\1\2\3").cast("B", shape=[4]).cast("i", shape=[]),
    "empty": lambda: memoryview(b""),
    "readonly": lambda: memoryview(bytearray(b"abc")).toreadonly(),
}


@pytest.mark.parametrize("shape", BUFFERS)
@with_write_and_writelines
async def test_buffer_of_any_item_size_and_layout_is_sent_whole(raw_peers: RawPeers, send: Send, shape: str) -> None:
    """W7: what is sent is ``memoryview(data).tobytes()``."""
    data = BUFFERS[shape]()
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        send(writer, data)
        writer.write(b"|end")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == memoryview(data).tobytes() + b"|end"


@with_write_and_writelines
async def test_partial_sends_of_a_view_of_doubles_send_every_byte(raw_peers: RawPeers, send: Send) -> None:
    """W7: offsets after a partial send count bytes, not items."""
    data = memoryview(array.array("d", PAYLOAD))
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        send(writer, data)
        writer.write(b"|end")
        rest = await close_then_receive(writer, peer)
    assert rest == PAYLOAD + b"|end"


async def close_then_receive(writer: Any, peer: Any) -> bytes:
    """Close while data is pending, then receive it; return what the peer received."""
    assert writer.transport.get_write_buffer_size() > 0
    writer.close()
    received = asyncio.create_task(peer.in_thread(peer.receive_rest))
    await writer.wait_closed()
    rest: bytes = await received
    return rest


@with_write_and_writelines
async def test_bytearray_changed_after_write_is_sent_as_it_was(raw_peers: RawPeers, send: Send) -> None:
    """W7: the caller may overwrite, clear and refill its bytearray while most of it is pending."""
    data = bytearray(PAYLOAD)
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        send(writer, data)
        data[:] = bytes(len(data))
        # Raises BufferError if the writer still exports the buffer.
        data.clear()
        data += b"again"
        send(writer, data)
        data.clear()
        rest = await close_then_receive(writer, peer)
    assert rest == PAYLOAD + b"again"


@with_write_and_writelines
async def test_memory_of_a_view_changed_after_write_is_sent_as_it_was(raw_peers: RawPeers, send: Send) -> None:
    """W7: the caller may overwrite the memory of a memoryview and release the view."""
    memory = bytearray(PAYLOAD)
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        with memoryview(memory)[1:] as view:
            send(writer, view)
        memory[:] = bytes(len(memory))
        rest = await close_then_receive(writer, peer)
    assert rest == PAYLOAD[1:]


@with_write_and_writelines
async def test_subclass_of_bytes_is_sent_as_its_content(
    streams: types.ModuleType, raw_peers: RawPeers, send: Send
) -> None:
    """W7: the content of a subclass of bytes is sent, whatever its __bytes__, __len__ and __iter__ return."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        send(writer, OverloadedBytes(b"the content"))
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"the content"


async def test_empty_writes_send_nothing(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W7: an empty piece sends nothing, alone or before, between and after others."""
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


async def test_empty_writes_while_data_is_pending_send_nothing(raw_peers: RawPeers) -> None:
    """W7: an empty piece is not queued behind pending data."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.write(PAYLOAD)
        writer.writelines([b"", b"", b"a", b""])
        writer.write(b"")
        writer.writelines([b"", b""])
        rest = await close_then_receive(writer, peer)
    assert rest == PAYLOAD + b"a"


async def test_write_and_writelines_keep_their_order_through_partial_sends(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W7: alternating write() and writelines() of more than the kernel accepts at once send every byte in order."""
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
        rest = await close_then_receive(writer, peer)
    assert start > 8 << 20
    assert rest == PAYLOAD[:start]


INVALID_DATA = ["text", 5, None, 1.5, object(), ["a"], {"a": 1}]


@pytest.mark.parametrize("data", INVALID_DATA, ids=[type(data).__name__ for data in INVALID_DATA])
async def test_write_of_another_type_raises_type_error_and_keeps_the_connection(
    raw_peers: RawPeers, data: object
) -> None:
    """The error is raised at the call and names the type. Later writes are sent."""
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
async def test_writelines_of_no_iterable_of_bytes_raises_type_error(raw_peers: RawPeers, data: object) -> None:
    """Nothing is sent. writelines(b"abc") would iterate over integers."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        with pytest.raises(TypeError):
            writer.writelines(data)
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b""


async def test_write_of_another_type_after_close_raises_type_error(raw_peers: RawPeers) -> None:
    """Data that would be discarded is checked as well."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.close()
        with pytest.raises(TypeError):
            writer.write("text")
        await writer.wait_closed()


async def test_writelines_with_a_failing_iterable_raises_its_error_and_sends_nothing(raw_peers: RawPeers) -> None:
    """writelines() collects all pieces before it sends the first."""

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


async def test_write_of_a_released_view_raises_value_error(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """The error is raised at the call and does not end the connection."""
    view = memoryview(b"abc")
    view.release()
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        with pytest.raises(ValueError, match="released"):
            writer.write(view)
        writer.write(b"fine")
        writer.close()
        await writer.wait_closed()
        assert peer.receive_rest() == b"fine"
