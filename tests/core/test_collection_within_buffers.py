"""A garbage collection may run a finalizer that uses a buffer: ``reader._buffer`` moves the bytes to a bytearray.

Up to Python 3.11, a collection begins in the allocation of an object, also in compiled code. The pure core does not
withstand it: there, a finalizer may run between any two bytecodes.
"""

import asyncio
import contextlib
import gc
import types
from collections.abc import Callable, Iterator

import pytest

CHUNKS = [bytes([65 + index]) * size for index, size in enumerate([70_000, 50, 60, 70_000, 70_000, 3_000, 3_000])]
DATA = b"".join(CHUNKS)


@contextlib.contextmanager
def collection(allocations: int, finalize: Callable[[], object]) -> Iterator[None]:
    """Start a collection, which calls ``finalize``, at the allocation with this number."""

    def call_once(phase: str, _: object) -> None:
        if phase == "start":
            gc.callbacks.remove(call_once)
            finalize()

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(call_once)
    gc.set_threshold(allocations)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if call_once in gc.callbacks:
            gc.callbacks.remove(call_once)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("method", ["peek", "readexactly"])
@pytest.mark.parametrize("read_before", [0, 1_000, 70_000])
@pytest.mark.parametrize("size", [69_000, 70_080, 150_000, len(DATA)])
async def test_read_of_several_chunks_withstands_a_finalizer_that_reads_the_buffer(
    compiled_core: types.ModuleType, size: int, read_before: int, method: str
) -> None:
    end = min(read_before + size, len(DATA))
    for allocations in range(1, 25):
        reader = compiled_core.ReadOperations(1 << 22, asyncio.get_running_loop())
        for chunk in CHUNKS:
            reader._sluiceway.buffer.append(chunk)
        await reader.readexactly(read_before)
        with collection(allocations, lambda reader=reader: reader._buffer):
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
    for allocations in range(1, 25):
        queue = compiled_core.WriteQueue()
        for chunk in CHUNKS:
            queue.append(chunk)
        with collection(allocations, queue.discard):
            got = queue.front(len(DATA)) if method == "front" else b"".join(queue.waiting())
        assert DATA.startswith(got)
        assert got or queue.size == 0
