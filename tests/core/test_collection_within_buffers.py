"""A garbage collection may run a finalizer that uses a buffer: ``reader._buffer`` moves the bytes to a bytearray.

Up to Python 3.11, a collection begins in the allocation of an object, also in compiled code. The pure core does not
withstand it: there, a finalizer may run between any two bytecodes.
"""

import asyncio
import importlib
import types
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import TLS_PLAINTEXT
from support.forced_collection import collection

CHUNKS = [bytes([65 + index]) * size for index, size in enumerate([70_000, 50, 60, 70_000, 70_000, 3_000, 3_000])]
DATA = b"".join(CHUNKS)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("method", ["peek", "readexactly"])
@pytest.mark.parametrize("read_before", [0, 1_000, 70_000])
@pytest.mark.parametrize("size", [69_000, 70_080, 150_000, len(DATA)])
async def test_read_of_several_chunks_withstands_a_finalizer_that_reads_the_buffer(
    compiled_core: types.ModuleType, size: int, read_before: int, method: str
) -> None:
    end = min(read_before + size, len(DATA))
    for number in range(1, 25):
        reader = compiled_core.ReadOperations(1 << 22, asyncio.get_running_loop())
        for chunk in CHUNKS:
            reader._sluiceway.buffer.append(chunk)
        await reader.readexactly(read_before)
        with collection(number, lambda reader=reader: reader._buffer):
            if method == "peek":
                got = reader._sluiceway.buffer.peek(end - read_before)
            else:
                got = await reader.readexactly(end - read_before)
        assert got == DATA[read_before:end]
        rest = DATA[read_before if method == "peek" else end :]
        assert reader._sluiceway.buffer.take_all() == rest


@pytest.mark.parametrize("method", ["front", "waiting"])
def test_unsent_bytes_are_returned_although_a_finalizer_discards_them(
    compiled_core: types.ModuleType, method: str
) -> None:
    for number in range(1, 25):
        queue = compiled_core.WriteQueue()
        for chunk in CHUNKS:
            queue.append(chunk)
        with collection(number, queue.discard):
            got = queue.front(len(DATA)) if method == "front" else b"".join(queue.waiting())
        assert DATA.startswith(got)
        assert got or queue.size == 0


def test_removal_of_sent_pieces_withstands_a_finalizer_that_sends_and_writes(compiled_core: types.ModuleType) -> None:
    for number in range(1, 25):
        queue = compiled_core.WriteQueue()
        for index in range(150):
            queue.append(b"%03d" % index * 100)
        later = bytes(30_000)

        def write_nested(queue: Any = queue, later: bytes = later) -> None:
            queue.advance(queue.size)
            queue.append(later)

        with collection(number, write_nested):
            queue.advance(140 * 300)
        unsent = b"".join(queue.waiting())
        assert queue.size == len(unsent)
        assert unsent == later or unsent == b"".join(b"%03d" % index * 100 for index in range(140, 150))


def test_append_beyond_the_memory_of_a_read_withstands_a_finalizer_that_ends_the_read(
    compiled_core: types.ModuleType,
) -> None:
    buffers = importlib.import_module(f"{compiled_core.__name__}.caller_buffer")
    for number in range(1, 25):
        buffer = buffers.caller_buffer(compiled_core.ChunkBuffer(), bytearray(1_000))
        buffer.append(b"a" * 600)
        with collection(number, buffer.plain_buffer):
            buffer.append(b"b" * 600)
        assert buffer.plain_buffer().take_all() == b"a" * 600 + b"b" * 600


def test_memory_of_a_read_that_has_ended_still_receives(compiled_core: types.ModuleType) -> None:
    """With no room, a receive of 0 bytes would seem to be the end of the input."""
    buffers = importlib.import_module(f"{compiled_core.__name__}.caller_buffer")
    target = bytearray(1_000)
    buffer = buffers.caller_buffer(compiled_core.ChunkBuffer(), target)
    buffer.append(b"first")
    window = buffer.direct(0)
    # What ``reader._buffer`` calls. A collection at the call of recv_into() may run a finalizer that reads it.
    assert buffer.take_all() == b"first"
    target.clear()
    memoryview(window)[:5] = b"later"
    assert buffer.late_bytes(5) == b"later"


def test_memory_of_a_read_that_has_ended_has_room_for_a_tls_record(compiled_core: types.ModuleType) -> None:
    """One read must return a whole record: the rest would stay in OpenSSL, and the stream would wait for it."""
    buffers = importlib.import_module(f"{compiled_core.__name__}.caller_buffer")
    buffer = buffers.caller_buffer(compiled_core.ChunkBuffer(), bytearray(2 * TLS_PLAINTEXT))
    window = buffer.direct(TLS_PLAINTEXT)
    buffer.take_all()
    assert len(window) >= TLS_PLAINTEXT


@pytest.mark.parametrize("method", ["peek", "matches"])
def test_result_of_a_large_read_withstands_a_finalizer_that_empties_it(
    compiled_core: types.ModuleType, method: str
) -> None:
    buffers = importlib.import_module(f"{compiled_core.__name__}.direct_buffer")
    for number in range(1, 25):
        buffer = buffers.direct_buffer(compiled_core.ChunkBuffer(), 8 << 20, 0)
        buffer.append(b"a" * (4 << 20))
        with collection(number, buffer.clear):
            found = buffer.peek(3 << 20) if method == "peek" else buffer.matches(b"aa", 10)
        assert found == (b"a" * (3 << 20) if method == "peek" else True)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("chunks", "read_before", "appended"),
    [
        pytest.param([CHUNKS[0], b"small"], 69_990, b"bytes", id="joins the last chunk"),
        pytest.param([b"first"], 3, b"second", id="drops the read bytes of the only chunk"),
        pytest.param([b"first", b"second"], 0, CHUNKS[0], id="ends a joined chunk"),
    ],
)
async def test_append_to_a_chunk_withstands_a_finalizer_that_reads_the_buffer(
    compiled_core: types.ModuleType, chunks: list[bytes], read_before: int, appended: bytes
) -> None:
    for number in range(1, 25):
        reader = compiled_core.ReadOperations(1 << 22, asyncio.get_running_loop())
        for chunk in chunks:
            reader._sluiceway.buffer.append(chunk)
        await reader.readexactly(read_before)
        buffer = reader._sluiceway.buffer
        with collection(number, lambda reader=reader: reader._buffer):
            buffer.append(appended)
        got = reader._sluiceway.buffer.take_all() + buffer.take_all()
        assert got == b"".join([*chunks, appended])[read_before:]


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("read_before", [0, 7])
@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([b"Name: value\r" * 600 + b"\r\n\r\nrest" + bytes(9_000)], id="one chunk"),
        pytest.param(
            [b"Name: value\r\n" * 600, b"Name: value\r\n" * 600 + b"\r", b"\n" + bytes(9_000)], id="three chunks"
        ),
    ],
)
async def test_search_withstands_a_finalizer_that_reads_the_buffer(
    compiled_core: types.ModuleType, chunks: list[bytes], read_before: int
) -> None:
    data = b"".join(chunks)
    end = data.index(b"\r\n\r\n") + 4
    for number in range(1, 25):
        reader = compiled_core.ReadOperations(1 << 22, asyncio.get_running_loop())
        for chunk in chunks:
            reader._sluiceway.buffer.append(chunk)
        await reader.readexactly(read_before)
        with collection(number, lambda reader=reader: reader._buffer):
            got = await reader.readuntil(b"\r\n\r\n")
        assert got == data[read_before:end]
        assert await reader.readexactly(len(data) - end) == data[end:]


@pytest.mark.loops("asyncio")
async def test_overlong_record_is_found_although_a_finalizer_reads_the_buffer(compiled_core: types.ModuleType) -> None:
    record = b"a" * 10_000 + b"\r\n"
    for number in range(1, 80):
        reader = compiled_core.ReadOperations(1_000, asyncio.get_running_loop())
        reader._sluiceway.buffer.append(record[:-1])
        reader._sluiceway.buffer.append(record[-1:] + bytes(9_000))
        with (
            collection(number, lambda reader=reader: reader._buffer),
            pytest.raises(sluiceway.LimitOverrunError, match="is found") as raised,
        ):
            await reader.readuntil(b"\r\n")
        assert raised.value.consumed == 10_000
        assert await reader.readexactly(len(record)) == record


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("finalize", ["read", "feed"])
async def test_access_to_the_buffer_withstands_a_finalizer_that_uses_the_reader(
    compiled_core: types.ModuleType, finalize: str
) -> None:
    for number in range(1, 25):
        reader = compiled_core.ReadOperations(1 << 22, asyncio.get_running_loop())
        reader.feed_data(DATA)
        fed = b""

        def use_reader(reader: Any = reader) -> None:
            nonlocal fed
            if finalize == "read":
                assert reader._buffer == DATA
            else:
                fed = b"more"
                reader.feed_data(fed)

        with collection(number, use_reader):
            found = reader._buffer
        assert found == DATA + fed
        assert reader._buffer is found


def test_view_of_received_bytes_withstands_a_finalizer_that_receives(compiled_core: types.ModuleType) -> None:
    for number in range(1, 25):
        scratch = compiled_core.Scratch(4_096)
        memoryview(scratch.part(5))[:] = b"first"

        def receive_nested(scratch: Any = scratch) -> None:
            memoryview(scratch.part(5))[:] = b"later"

        with collection(number, receive_nested):
            view = scratch.view(5)
        assert view == b"first"
