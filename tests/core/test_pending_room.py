"""R3: what a pending read asked for is no excess while it is pending, and is one as soon as it has ended."""

import asyncio
import types
from collections.abc import Callable
from typing import Any

import pytest

from support.fake_transports import CountingTransport, UnpausableTransport
from support.memory_usage import buffered_size
from support.scheduling import run_iterations, start_task

LIMIT = 10
LARGE: dict[str, Callable[[Any], Any]] = {
    "readexactly": lambda reader: reader.readexactly(1000),
    "read to the end": lambda reader: reader.read(-1),
}
every_large_read = pytest.mark.parametrize("read", LARGE.values(), ids=LARGE)


def reader_and_transport(core: types.ModuleType) -> tuple[Any, CountingTransport]:
    reader = core.ReadOperations(LIMIT, asyncio.get_running_loop())
    transport = CountingTransport()
    reader.set_transport(transport)
    return reader, transport


@pytest.mark.loops("asyncio")
@every_large_read
async def test_a_large_read_is_received_without_a_pause(core: types.ModuleType, read: Callable[[Any], Any]) -> None:
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
async def test_a_cancelled_large_read_leaves_the_bound(
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
async def test_more_than_a_large_read_asked_for_is_stopped(core: types.ModuleType) -> None:
    reader, transport = reader_and_transport(core)
    task = await start_task(reader.readexactly(1000))
    reader.feed_data(bytes(1000 + 2 * LIMIT))
    assert not transport.paused
    reader.feed_data(b"x")
    assert transport.paused
    assert await task == bytes(1000)
    assert buffered_size(reader) == 2 * LIMIT + 1


@pytest.mark.loops("asyncio")
async def test_a_transport_that_cannot_pause_is_asked_once(core: types.ModuleType) -> None:
    reader = core.ReadOperations(LIMIT, asyncio.get_running_loop())
    transport = UnpausableTransport()
    reader.set_transport(transport)
    for _ in range(10):
        reader.feed_data(bytes(30))
    assert transport.pauses == 1
    assert await reader.readexactly(300) == bytes(300)


@pytest.mark.loops("asyncio")
async def test_a_lost_transport_is_not_resumed(core: types.ModuleType) -> None:
    """R2: some loops raise where a closed transport is resumed, and the bytes just taken would be lost."""
    reader, transport = reader_and_transport(core)
    reader.feed_data(bytes(50))
    assert transport.paused
    reader._sluiceway.lost(ConnectionResetError())
    assert await reader.read(45) == bytes(45)
    assert await reader.read(45) == bytes(5)
    assert transport.paused, "as it was when it was lost"


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("before", [True, False], ids=["asked afterwards", "waiting"])
async def test_an_error_after_the_end_of_input_takes_none_of_it(core: types.ModuleType, before: bool) -> None:
    """R2: the peer had ended its side, then the connection failed: what it sent is whole, and told as such."""
    for read, partial in ((lambda r: r.read(-1), False), (lambda r: r.readexactly(9), True), (_line, False)):
        reader, _ = reader_and_transport(core)
        task = None if before else await start_task(read(reader))
        reader.feed_data(b"last")
        reader.feed_eof()
        reader._sluiceway.lost(ConnectionResetError("afterwards"))
        ended = await asyncio.gather(task or read(reader), return_exceptions=True)
        assert [getattr(one, "partial", one) for one in ended] == [b"last"]
        assert isinstance(ended[0], asyncio.IncompleteReadError) == partial
        with pytest.raises(ConnectionResetError, match="afterwards"):
            await reader.read(-1)


def _line(reader: Any) -> Any:
    return reader.readline()
