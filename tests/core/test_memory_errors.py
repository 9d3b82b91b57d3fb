"""R1: an operation that raises MemoryError takes no byte of the stream."""

import contextlib
import ctypes
import os
import resource
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.core_modules import core_module
from sluiceway._core import record_iterator
from support.child_processes import IGNORE_THREADS, run_child

pytestmark = [
    IGNORE_THREADS,
    pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="a sanitizer has mapped more memory than any limit"),
]

# Above the size up to which malloc() may reuse memory that was freed.
SIZE = 40 << 20
# Exit status of a child.
MEMORY_IS_LEFT = 77
DATA = bytes(range(256)) * (SIZE // 256)


@contextlib.contextmanager
def memory_left(size: int) -> Iterator[None]:
    """Allow the allocation of ``size`` bytes in pieces of SIZE, each with its own mapping."""
    # Memory that was freed and is kept would be used first.
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    # A megabyte for small objects.
    resource.setrlimit(resource.RLIMIT_AS, (mapped + size + (1 << 20), before[1]))
    try:
        with contextlib.suppress(MemoryError):
            bytes(size + SIZE)
            # The process has that much of freed memory between what it uses.
            os._exit(MEMORY_IS_LEFT)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def run(body: Callable[[], None]) -> None:
    """Run ``body()`` in a child process, whose memory can be limited."""
    status = run_child(body)
    if status == MEMORY_IS_LEFT:
        pytest.skip("the test process has too much freed memory")
    assert status == 0


def outcome(coroutine: Any) -> Any:
    """Return the result of a read that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("the read waits")


def look_at_buffer(reader: Any) -> bytes:
    assert len(reader._buffer) == 2 * SIZE
    return b""


OPERATIONS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda reader: outcome(reader.read(SIZE + 10)),
    "read to the end": lambda reader: outcome(reader.read()),
    "_buffer": look_at_buffer,
}


# The first allocation that fails is the one after ``copies`` of SIZE.
@pytest.mark.parametrize(
    ("viewed", "operation", "copies"),
    [
        (False, "read to the end", 1),
        (False, "_buffer", 2),
        (True, "read", 1),
        (True, "read to the end", 1),
        (True, "read to the end", 2),
        (True, "_buffer", 1),
    ],
)
def test_operation_that_raises_memory_error_takes_no_bytes(
    core: types.ModuleType, viewed: bool, operation: str, copies: int
) -> None:
    def fail_then_read() -> None:
        reader = core.ReadOperations(1 << 30, None)
        reader.feed_data(DATA)
        with memoryview(reader._buffer if viewed else b""):
            reader.feed_data(DATA)
            reader.feed_eof()
            taken = b""
            with memory_left(copies * SIZE), contextlib.suppress(MemoryError):
                taken = OPERATIONS[operation](reader)
        rest = outcome(reader.read())
        assert len(taken) + len(rest) == 2 * SIZE
        assert taken + rest == DATA + DATA

    run(fail_then_read)


def test_memory_error_for_a_part_of_a_direct_result_takes_no_bytes(compiled_core: types.ModuleType) -> None:
    def fail_then_take() -> None:
        direct = core_module(compiled_core, "direct_buffer").direct_buffer(compiled_core.ChunkBuffer(), 2 * SIZE, SIZE)
        direct.append(DATA)
        direct.append(b"rest")
        with memoryview(direct.direct(1)):
            # The result is lent: what is taken is copied.
            with memory_left(0), pytest.raises(MemoryError):
                direct.take(SIZE)
            assert direct.size() == SIZE + 4
        assert direct.take_all() == DATA + b"rest"

    run(fail_then_take)


# As in the test above: ``copies`` of SIZE can be allocated.
@pytest.mark.parametrize(
    ("policy", "limit", "copies"), [(record_iterator.RAISE, SIZE, 0), (record_iterator.TRUNCATE, SIZE - 100, 1)]
)
def test_memory_error_for_a_frame_takes_no_bytes(core: types.ModuleType, policy: int, limit: int, copies: int) -> None:
    def fail_then_read() -> None:
        reader = core.ReadOperations(1 << 30, None)
        frames = core.LengthPrefixed(reader, None, "frames", limit, policy, 4, False)
        reader.feed_data(SIZE.to_bytes(4, "big") + DATA)
        frame = None
        with memory_left(copies * SIZE), contextlib.suppress(MemoryError):
            frame = outcome(frames.__anext__())
        assert (frame or outcome(frames.__anext__())) == DATA[:limit]

    run(fail_then_read)
