"""DirectBuffer: the memory of a large read stays in place while it is exported.

OpenSSL writes to exported memory without the interpreter lock. Meanwhile another thread may read, extend or replace the
buffer. The received bytes then follow what was buffered, once. The pure core has no direct buffer.
"""

import asyncio
import os
import subprocess
import sys
import types
from typing import Any

import pytest

from core.core_modules import core_module
from core.receivers import new_case, transfer
from support.scheduling import run_iterations, start_task

KIB = 1024
START = b"start"
TARGET = 256 * KIB
AHEAD = 64 * KIB


def new_buffer(core: types.ModuleType, start: bytes = START, target: int = TARGET, ahead: int = AHEAD) -> Any:
    plain = core.ChunkBuffer()
    if start:
        plain.append(start)
    return core_module(core, "direct_buffer").direct_buffer(plain, target, ahead)


def take_all(buffer: Any) -> list[bytes]:
    return [buffer.take_all()]


def take_part(buffer: Any) -> list[bytes]:
    return [buffer.take(2)]


def take_all_twice(buffer: Any) -> list[bytes]:
    return [buffer.take_all(), buffer.take_all()]


def append_beyond_the_memory(buffer: Any) -> list[bytes]:
    buffer.append(b"a" * 2 * AHEAD)
    return []


def append_and_take_all(buffer: Any) -> list[bytes]:
    buffer.append(b"a" * 2 * AHEAD)
    return [buffer.take_all()]


def take_all_and_append(buffer: Any) -> list[bytes]:
    taken = buffer.take_all()
    buffer.append(b"new")
    return [taken]


def search(buffer: Any) -> list[bytes]:
    assert buffer.find(b"t", 0, len(START)) == START.find(b"t")
    assert buffer.matches(START, 0)
    buffer.compact()
    return []


def append_within_the_memory(buffer: Any) -> list[bytes]:
    buffer.append(b"more")
    return []


APPENDED = {
    append_beyond_the_memory: b"a" * 2 * AHEAD,
    append_and_take_all: b"a" * 2 * AHEAD,
    take_all_and_append: b"new",
    append_within_the_memory: b"more",
}
OPERATIONS = [
    take_all,
    take_part,
    take_all_twice,
    append_beyond_the_memory,
    append_and_take_all,
    take_all_and_append,
    search,
    append_within_the_memory,
]


@pytest.mark.parametrize("returned_first", [True, False], ids=["view released before committed", "after committed"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_while_memory_is_exported_keeps_received_bytes_in_order(
    compiled_core: types.ModuleType, operation: Any, returned_first: bool
) -> None:
    buffer = new_buffer(compiled_core)
    view = memoryview(buffer.direct(0))
    assert len(view) == AHEAD
    view[:] = b"v" * len(view)
    taken = b"".join(operation(buffer))
    assert view == b"v" * AHEAD
    view[:8] = b"received"
    if returned_first:
        view.release()
    buffer.direct_committed(8)
    view.release()
    assert taken + buffer.take_all() == START + APPENDED.get(operation, b"") + b"received"


def test_taken_result_is_unchanged_by_writes_to_exported_memory(compiled_core: types.ModuleType) -> None:
    buffer = new_buffer(compiled_core)
    with memoryview(buffer.direct(0)) as view:
        view[:3] = b"abc"
        buffer.direct_committed(3)
        taken = buffer.take_all()
        view[:3] = b"xyz"
    assert taken == START + b"abc"


def test_taken_full_result_is_unchanged_by_writes_to_exported_memory(compiled_core: types.ModuleType) -> None:
    buffer = new_buffer(compiled_core, b"", AHEAD)
    with memoryview(buffer.direct(0)) as view:
        view[:] = b"a" * AHEAD
        buffer.direct_committed(AHEAD)
        taken = buffer.take_all()
        view[:] = b"b" * AHEAD
    assert taken == b"a" * AHEAD


def test_clear_while_memory_is_exported_keeps_only_committed_bytes(compiled_core: types.ModuleType) -> None:
    buffer = new_buffer(compiled_core)
    with memoryview(buffer.direct(0)) as view:
        buffer.clear()
        view[:3] = b"abc"
        buffer.direct_committed(3)
    assert (buffer.size(), buffer.take_all()) == (3, b"abc")


def test_commit_of_zero_bytes_adds_nothing(compiled_core: types.ModuleType) -> None:
    buffer = new_buffer(compiled_core)
    with memoryview(buffer.direct(0)) as view:
        view[:3] = b"abc"
        buffer.direct_committed(0)
    assert buffer.take_all() == START


def test_direct_returns_none_after_take_all(compiled_core: types.ModuleType) -> None:
    buffer = new_buffer(compiled_core)
    buffer.take_all()
    assert buffer.direct(0) is None


@pytest.mark.parametrize("exported", [False, True])
def test_memory_grows_with_received_bytes(compiled_core: types.ModuleType, exported: bool) -> None:
    """At most twice the received size is allocated, because the peer chooses the target size."""
    buffer = new_buffer(compiled_core, b"", 1 << 20, AHEAD)
    expected = bytearray()
    sizes = []
    while (memory := buffer.direct(0)) is not None:
        view = memoryview(memory)
        sizes.append(len(view))
        view[:] = bytes([len(sizes)]) * len(view)
        expected += view
        if not exported:
            view.release()
        buffer.direct_committed(len(view) if exported else sizes[-1])
        view.release()
    assert sizes == [64 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB]
    assert buffer.take_all() == expected


EXPORTED_TWICE = """
from sluiceway._core_c import ChunkBuffer
from sluiceway._core_c.direct_buffer import direct_buffer
buffer = direct_buffer(ChunkBuffer(), 1 << 20, 300 << 10)
view = memoryview(buffer.direct(0))
view[:] = b"v" * len(view)
larger = buffer.direct(512 << 10)
kept = view == b"v" * len(view)
view[:] = b"w" * len(view)
with memoryview(larger) as other:
    other[:4] = b"data"
buffer.direct_committed(4)
print(kept, buffer.take_all())
"""


# The bytes were received, the export is released, and the transport has not called committed() yet.
TAKEN_BEFORE_COMMITTED = """
from sluiceway._core_c import ChunkBuffer
from sluiceway._core_c.direct_buffer import direct_buffer
plain = ChunkBuffer()
plain.append(b"start")
buffer = direct_buffer(plain, 1 << 20, 100 << 10)
with memoryview(buffer.direct(0)) as view:
    view[:8] = b"received"
taken = buffer.take_all()
buffer.direct_committed(8)
print(taken, buffer.take_all())
"""


@pytest.mark.parametrize(
    ("program", "output"),
    [
        pytest.param(EXPORTED_TWICE, "True b'data'\n", id="exported again"),
        pytest.param(TAKEN_BEFORE_COMMITTED, "b'start' b'received'\n", id="taken before committed"),
    ],
)
def test_exported_memory_is_not_freed(compiled_core: types.ModuleType, program: str, output: str) -> None:
    """Runs in a subprocess, because the failure is a crash."""
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout) == (0, output), done.stderr[-300:]


# -- through a receiver -----------------------------------------------------------------------------------------------


def read_buffer(reader: Any) -> None:
    """The first access replaces the buffer by a bytearray."""
    assert reader._buffer == START


def assign_buffer(reader: Any) -> None:
    reader._buffer = bytearray(START)


@pytest.mark.parametrize("call", ["get_buffer", "direct_buffer"])
@pytest.mark.parametrize("replace", [read_buffer, assign_buffer])
@pytest.mark.loops("asyncio")
async def test_bytes_received_while_the_buffer_is_replaced_are_appended_once(
    compiled_core: types.ModuleType, replace: Any, call: str
) -> None:
    n = 100 * KIB
    case = new_case("stream", compiled_core, None, asyncio.get_running_loop())
    receiver, reader = case.receiver, case.reader
    task = await start_task(reader.readexactly(n))
    assert not transfer(case, START, len(START))
    with memoryview(receiver.get_buffer(-1) if call == "get_buffer" else receiver.direct_buffer(16 * KIB)) as view:
        replace(reader)
        view[:8] = b"received"
    assert receiver.committed(8) is False
    assert transfer(case, b"r" * (n - len(START) - 8), 1 << 20)
    result = await task
    assert (len(result), result[:13], set(result[13:])) == (n, START + b"received", {ord("r")})


@pytest.mark.loops("asyncio")
async def test_bytes_received_after_a_cancelled_large_read_are_kept(compiled_core: types.ModuleType) -> None:
    case = new_case("stream", compiled_core, None, asyncio.get_running_loop())
    task = await start_task(case.reader.readexactly(100 * KIB))
    assert not transfer(case, START, len(START))
    with memoryview(case.receiver.get_buffer(-1)) as view:
        task.cancel()
        await run_iterations()
        assert task.cancelled()
        view[:8] = b"received"
    assert case.receiver.committed(8) is False
    assert await case.reader.readexactly(13) == START + b"received"


@pytest.mark.loops("asyncio")
async def test_bytes_fed_while_memory_is_exported_precede_the_received_bytes(compiled_core: types.ModuleType) -> None:
    case = new_case("stream", compiled_core, None, asyncio.get_running_loop())
    task = await start_task(case.reader.readexactly(100 * KIB))
    assert not transfer(case, START, len(START))
    with memoryview(case.receiver.get_buffer(-1)) as view:
        case.reader.feed_data(b"fed")
        view[:8] = b"received"
    case.receiver.committed(8)
    task.cancel()
    await run_iterations()
    assert await case.reader.read(100) == START + b"fedreceived"
