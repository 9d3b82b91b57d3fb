"""One allocation fails, at each place in turn: a buffer stays consistent, and compiled code does not crash."""

import asyncio
import importlib
import itertools
import ssl
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from core.tls_cores import TLSEnd
from sluiceway._core import record_iterator
from support.certificates import Certificates
from support.child_processes import IGNORE_THREADS, run_child

pytestmark = [IGNORE_THREADS, pytest.mark.usefixtures("allocation_hooks")]

# More than the operations of this file make.
ALLOCATIONS = 60
SMALL = b"small"
LARGE = bytes(10000)


# A bytearray of CPython 3.15 loses its content if `+=` cannot allocate memory. The connection ends with that error,
# after the bytes that were received before this bytearray.
LOSES_BYTEARRAYS = sys.version_info >= (3, 15)


def call_with_failing_allocation(number: int, function: Callable[..., object], *arguments: Any) -> bool:
    """Call ``function``. The allocation ``number`` of the call fails, counted from 0, and no other.

    Return True if that raised an exception.
    """
    hooks = pytest.importorskip("_testcapi")
    # An object that cannot be completed has the content of freed memory, which must not be read.
    freed = [bytes([1]) * 30 for _ in range(100)]
    freed.clear()
    try:
        hooks.set_nomemory(number, number + 1)
        function(*arguments)
    except (MemoryError, ssl.SSLError, SystemError):
        # SystemError: the ssl module forgets to set an exception.
        return True
    finally:
        hooks.remove_mem_hooks()
    return False


def buffer_with(core: types.ModuleType, *pieces: bytes, taken: int = 0) -> Any:
    buffer = core.ChunkBuffer()
    for piece in pieces:
        buffer.append(piece)
    buffer.take(taken)
    return buffer


@pytest.mark.parametrize(
    "pieces", [[], [SMALL], [SMALL, SMALL], [LARGE], [LARGE, SMALL], [LARGE] * 3], ids=lambda pieces: str(len(pieces))
)
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_append_that_raises_memory_error_counts_no_bytes(
    core: types.ModuleType, pieces: list[bytes], data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: reported.append(error))
    for number in range(ALLOCATIONS):
        buffer = buffer_with(core, *pieces, taken=1)
        before = buffer.peek(10**6)
        raised = call_with_failing_allocation(number, buffer.append, data)
        kept = buffer.peek(10**6)
        assert buffer.size() == len(kept)
        # The result of a successful call needs an allocation as well.
        assert kept == before + data or (raised and (kept == before or (LOSES_BYTEARRAYS and before.startswith(kept))))
        buffer.append(LARGE)
        assert buffer.take_all() == kept + LARGE
    # CPython's slice of a bytearray, which the pure core uses, does read freed memory.
    assert not reported or core.__name__ == "sluiceway._core"


@pytest.mark.parametrize("read", ["take", "take_record"])
def test_read_with_failing_allocation_keeps_the_buffer_consistent(core: types.ModuleType, read: str) -> None:
    """Also one that removes the chunks that were read from the front of the list."""
    line = LARGE + b"\n"
    for number in range(ALLOCATIONS):
        buffer = buffer_with(core, *[line] * 130, taken=65 * len(line))
        arguments = (len(line),) if read == "take" else ((b"\n",), 2 * len(line), -1)
        call_with_failing_allocation(number, getattr(buffer, read), *arguments)
        assert buffer.size() == len(buffer.peek(10**7))
        assert buffer.take(len(line)) == line


def test_write_queue_with_failing_allocation_keeps_the_unsent_bytes(core: types.ModuleType) -> None:
    """Also when it removes the pieces that were sent from the front of the list."""
    pieces = [b"%5d" % number for number in range(1000)]
    for number in range(ALLOCATIONS):
        queue = core.WriteQueue()
        for piece in pieces:
            queue.append(piece)
        raised = call_with_failing_allocation(number, queue.advance, 5 * 600)
        unsent = b"".join(queue.waiting())
        assert queue.size == len(unsent)
        assert unsent == b"".join(pieces[600:]) or (raised and unsent == b"".join(pieces))
        queue.advance(len(unsent) - 5)
        assert b"".join(queue.waiting()) == pieces[-1]


def in_child(body: Callable[[int], object]) -> None:
    """Call ``body(number)`` for each allocation, in a child process, which may crash."""

    def each() -> None:
        for number in range(ALLOCATIONS):
            body(number)

    assert run_child(each) == 0


def test_handshake_with_failing_allocation_raises(core: types.ModuleType, tls: Certificates) -> None:
    def begin(number: int) -> None:
        end = TLSEnd(core, tls.client_context, server_hostname="localhost")
        call_with_failing_allocation(number, end.receiver.begin_handshake)

    in_child(begin)


def next_item(frames: Any) -> Any:
    """Return the next item, which has arrived."""
    try:
        next(frames.__anext__().__await__())
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("the iterator waits")


@pytest.mark.parametrize(
    ("policy", "items"),
    [
        (record_iterator.SKIP, []),
        (record_iterator.TRUNCATE, [bytes(1000)]),
        (record_iterator.CHUNKS, [(bytes(1000), False), (bytes(1000), False), (bytes(500), True)]),
    ],
    ids=["skip", "truncate", "chunks"],
)
def test_memory_error_within_an_overlong_frame_leaves_the_following_frames_whole(
    core: types.ModuleType, policy: int, items: list[Any]
) -> None:
    """The item that is read then may be lost with the MemoryError, but no byte of a frame becomes a prefix."""
    last: Any = (b"last", True) if policy == record_iterator.CHUNKS else b"last"
    expected = [*items, *items, last]
    for number, read_before in itertools.product(range(ALLOCATIONS), range(len(expected))):
        reader = core.ReadOperations(1 << 20, None)
        reader.feed_data(2 * ((2500).to_bytes(4, "big") + bytes(2500)) + (4).to_bytes(4, "big") + b"last" + bytes(3))
        frames = core.LengthPrefixed(reader, None, "frames", 1000, policy, 4, False)
        for item in expected[:read_before]:
            assert next_item(frames) == item
        raised = call_with_failing_allocation(number, next_item, frames)
        rest = []
        while reader._sluiceway.buffer.size() > 3:
            rest.append(next_item(frames))
        assert rest == expected[read_before + 1 :] or (raised and rest == expected[read_before:])


def item_or_none(records: Any) -> Any:
    """Return the next item, or None if it has not arrived."""
    waiting = records.__anext__().__await__()
    try:
        next(waiting)
    except StopIteration as stopped:
        return stopped.value
    waiting.close()
    return None


def frames_and_bytes(core: types.ModuleType, reader: Any, policy: int) -> tuple[Any, bytes, bytes]:
    """Return an iterator of at most 1000 bytes, an overlong item for it, and the next item."""
    overlong = (2500).to_bytes(4, "big") + bytes(2500)
    return core.LengthPrefixed(reader, None, "frames", 1000, policy, 4, False), overlong, b"\0\0\0\4last"


def records_and_bytes(core: types.ModuleType, reader: Any, policy: int) -> tuple[Any, bytes, bytes]:
    """As frames_and_bytes()."""
    records = core.SeparatedRecords(reader, None, "records", 1000, policy, (b"--END",), False)
    return records, bytes(2500) + b"--END", b"last--END"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("policy", [record_iterator.SKIP, record_iterator.TRUNCATE], ids=["skip", "truncate"])
@pytest.mark.parametrize("create", [frames_and_bytes, records_and_bytes])
def test_memory_error_while_an_overlong_record_arrives_leaves_the_next_one_whole(
    core: types.ModuleType, create: Callable[..., tuple[Any, bytes, bytes]], policy: int
) -> None:
    """The record is dropped with its part that has not arrived, or it stays in the stream as a whole."""
    loop = asyncio.new_event_loop()
    for number, earlier in itertools.product(range(ALLOCATIONS), range(4)):
        reader = core.ReadOperations(1 << 20, loop)
        records, overlong, last = create(core, reader, policy)
        for _ in range(earlier):
            # The bytes of this record are dropped as they arrive. Those of the next one were inserted before them.
            reader._sluiceway.buffer.append(overlong[:1500])
            item_or_none(records)
        # Two chunks: to join them needs memory.
        reader._sluiceway.buffer.append(overlong[1000:2003])
        reader._sluiceway.buffer.prepend(overlong[:1000])
        call_with_failing_allocation(number, item_or_none, records)
        items = [item_or_none(records)]
        reader.feed_data(overlong[2003:] + overlong[1500:] * earlier + last + bytes(3))
        while reader._sluiceway.buffer.size() > 3:
            items.append(item_or_none(records))
        assert [item for item in items if item not in {None, bytes(1000)}] == [last.removeprefix(b"\0\0\0\4")]
    loop.close()


def test_memory_error_leaves_room_in_the_window_of_a_read(compiled_core: types.ModuleType) -> None:
    """A finalizer reads reader._buffer between direct() and the receive, which would otherwise seem to be the end."""
    caller_buffers = importlib.import_module(f"{compiled_core.__name__}.caller_buffer")
    for number in range(ALLOCATIONS):
        buffer = caller_buffers.caller_buffer(compiled_core.ChunkBuffer(), bytearray(30_000))
        buffer.append(SMALL)
        window = buffer.direct(1)
        raised = call_with_failing_allocation(number, buffer.take_all)
        assert len(window) > 0
        memoryview(window)[:5] = b"later"
        buffer.direct_committed(5)
        assert buffer.take_all() == (SMALL + b"later" if raised else b"later")
