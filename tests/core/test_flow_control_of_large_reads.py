"""R3: the target size of a pending read raises the bound of flow control until the read ends."""

import asyncio
import math
import types
from collections.abc import Callable
from typing import Any

import pytest

from core.receivers import SCRATCH_SIZE, Case, transfer
from support.fake_transports import CountingTransport, UnpausableTransport
from support.memory_usage import buffered_size
from support.scheduling import run_iterations, start_task

LIMIT = 10
LARGE_READS: dict[str, Callable[[Any], Any]] = {
    "readexactly": lambda reader: reader.readexactly(1000),
    "read to the end": lambda reader: reader.read(-1),
}
every_large_read = pytest.mark.parametrize("read", LARGE_READS.values(), ids=LARGE_READS)


def reader_and_transport(core: types.ModuleType) -> tuple[Any, CountingTransport]:
    reader = core.ReadOperations(LIMIT, asyncio.get_running_loop())
    transport = CountingTransport()
    reader.set_transport(transport)
    return reader, transport


@pytest.mark.loops("asyncio")
@every_large_read
async def test_pending_large_read_does_not_pause_the_transport(
    core: types.ModuleType, read: Callable[[Any], Any]
) -> None:
    reader, transport = reader_and_transport(core)
    task = await start_task(read(reader))
    for _ in range(99):
        reader.feed_data(b"0123456789")
        await run_iterations(1)
    assert transport.pauses == 0
    reader.feed_data(b"0123456789")
    reader.feed_eof()
    assert await task == b"0123456789" * 100


@pytest.mark.loops("asyncio")
@every_large_read
@pytest.mark.parametrize("fed", [2 * LIMIT, 2 * LIMIT + 1, 900])
async def test_cancelled_large_read_restores_the_bound(
    core: types.ModuleType, read: Callable[[Any], Any], fed: int
) -> None:
    reader, transport = reader_and_transport(core)
    task = await start_task(read(reader))
    reader.feed_data(bytes(fed))
    await run_iterations()
    assert not transport.paused
    task.cancel()
    await run_iterations()
    assert transport.paused == (fed > 2 * LIMIT), "paused before another byte arrives"
    assert buffered_size(reader) == fed
    while buffered_size(reader) > LIMIT:
        await reader.read(7)
        assert transport.paused == (fed > 2 * LIMIT and buffered_size(reader) > LIMIT)


@pytest.mark.loops("asyncio")
async def test_bytes_beyond_a_large_read_pause_the_transport(core: types.ModuleType) -> None:
    reader, transport = reader_and_transport(core)
    task = await start_task(reader.readexactly(1000))
    reader.feed_data(bytes(1000 + 2 * LIMIT))
    assert not transport.paused
    reader.feed_data(b"x")
    assert transport.paused
    assert await task == bytes(1000)
    assert buffered_size(reader) == 2 * LIMIT + 1


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("limit", [None, math.inf, 1 << 62], ids=["usual limit", "no limit", "huge limit"])
@pytest.mark.parametrize("n", [(1 << 63) - 131072, (1 << 63) - 1, 1 << 63, 1 << 200], ids=hex)
async def test_pending_read_of_a_huge_size_has_room_and_never_pauses(
    core: types.ModuleType, n: int, limit: float | None
) -> None:
    reader, transport = reader_and_transport(core)
    if limit is not None:
        reader._limit = limit
    task = await start_task(reader.readexactly(n))
    receiver = reader._sluiceway
    receiver.attach(core.Scratch(SCRATCH_SIZE), None)
    for _ in range(3):
        assert transfer(Case(receiver, reader), bytes(100_000), SCRATCH_SIZE) is False
    assert receiver.room() > 1 << 60
    assert transport.pauses == 0
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as incomplete:
        await task
    assert incomplete.value.expected == n
    assert incomplete.value.partial == bytes(300_000)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("limit", [-(1 << 62), -(1 << 63), -(1 << 200)], ids=hex)
async def test_assigned_huge_negative_limit_leaves_room_for_one_small_receive(
    core: types.ModuleType, limit: int
) -> None:
    reader, transport = reader_and_transport(core)
    reader._limit = limit
    reader.feed_data(bytes(100))
    assert transport.paused
    assert reader._sluiceway.room() == 4096
    assert await reader.read(100) == bytes(100)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("limit", [10, 1 << 30, math.inf])
async def test_memory_ahead_of_a_large_read_does_not_depend_on_the_limit(
    compiled_core: types.ModuleType, limit: float
) -> None:
    """R3: readexactly() reserves at most 1 MiB ahead of the data, and read() at most one receive."""
    for read in (lambda reader: reader.readexactly(1 << 40), lambda reader: reader.read(1 << 40)):
        reader = compiled_core.ReadOperations(LIMIT, asyncio.get_running_loop())
        reader._limit = limit
        receiver = reader._sluiceway
        receiver.attach(compiled_core.Scratch(SCRATCH_SIZE), None)
        receiver.get_buffer(-1)
        receiver.committed(100_000)
        assert await reader.readexactly(100_000)
        task = await start_task(read(reader))
        if receiver.target_size:
            # The first receive of a readexactly() has a copy.
            receiver.get_buffer(-1)
            receiver.committed(1)
        assert len(receiver.get_buffer(-1)) <= 1 << 20
        task.cancel()
        await run_iterations()


@pytest.mark.loops("asyncio")
async def test_pause_reading_is_called_once_on_a_transport_that_cannot_pause(core: types.ModuleType) -> None:
    reader = core.ReadOperations(LIMIT, asyncio.get_running_loop())
    transport = UnpausableTransport()
    reader.set_transport(transport)
    for _ in range(10):
        reader.feed_data(bytes(30))
    assert transport.pauses == 1
    assert await reader.readexactly(300) == bytes(300)


@pytest.mark.loops("asyncio")
async def test_read_after_connection_lost_does_not_resume_the_transport(core: types.ModuleType) -> None:
    """R2: resume_reading() of a closed transport raises on some loops; the read would lose its bytes."""
    reader, transport = reader_and_transport(core)
    reader.feed_data(bytes(50))
    assert transport.paused
    reader._sluiceway.lost(ConnectionResetError())
    assert await reader.read(45) == bytes(45)
    assert await reader.read(45) == bytes(5)
    assert transport.paused, "unchanged since the loss"


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("read_afterwards", [True, False], ids=["read after the error", "read waiting before"])
async def test_connection_lost_after_eof_keeps_buffered_bytes(core: types.ModuleType, read_afterwards: bool) -> None:
    """R2: an error after EOF is raised by no read, because the input is complete; exception() returns it."""
    for read, partial in ((lambda r: r.read(-1), False), (lambda r: r.readexactly(9), True), (_line, False)):
        reader, _ = reader_and_transport(core)
        task = None if read_afterwards else await start_task(read(reader))
        reader.feed_data(b"last")
        reader.feed_eof()
        reader._sluiceway.lost(ConnectionResetError("afterwards"))
        ended = await asyncio.gather(task or read(reader), return_exceptions=True)
        assert [getattr(one, "partial", one) for one in ended] == [b"last"]
        assert isinstance(ended[0], asyncio.IncompleteReadError) == partial
        assert await reader.read(-1) == b""
        assert str(reader.exception()) == "afterwards"


def _line(reader: Any) -> Any:
    return reader.readline()
