"""The cooperative budget: reads and drains that never wait yield to the loop once their budget is exhausted."""

import asyncio
import importlib
import types
from typing import Any

import pytest

BUDGET = 256


@pytest.fixture
def pure_receiver() -> Any:
    """A Receiver. The methods of the compiled variant can be called from compiled code only."""
    return importlib.import_module("sluiceway._core.receiver").Receiver(100, None, False)


def test_budget_of_reads_is_exhausted_after_256(pure_receiver: Any) -> None:
    assert [pure_receiver.spend_read() for _ in range(BUDGET + 3)] == [False] * BUDGET + [True] * 3
    pure_receiver.budget_used = 0
    assert pure_receiver.spend_read() is False


def test_budget_of_drains_is_twice_as_large_and_starts_again(pure_receiver: Any) -> None:
    pure_receiver.budget_used = 2 * BUDGET
    assert (pure_receiver.renew_for_drain(), pure_receiver.budget_used) == (False, 2 * BUDGET)
    pure_receiver.budget_used += 1
    assert (pure_receiver.renew_for_drain(), pure_receiver.budget_used) == (True, 0)
    assert pure_receiver.renew_for_drain() is False


def suspends(operation: Any) -> bool:
    """Run a coroutine up to its first suspension. Return False if it completes without one."""
    try:
        operation.send(None)
    except StopIteration:
        return False
    operation.close()
    return True


READ_CALLS = {
    "read": lambda reader: reader.read(1),
    "readexactly": lambda reader: reader.readexactly(1),
    "readline": lambda reader: reader.readline(),
    "readuntil": lambda reader: reader.readuntil(b"\n"),
}


@pytest.mark.parametrize("read", READ_CALLS)
@pytest.mark.loops("asyncio")
async def test_every_257th_read_that_finds_its_data_yields(core: types.ModuleType, read: str) -> None:
    reader = core.ReadOperations(1 << 20, asyncio.get_running_loop())
    reader.feed_data(b"\n" * 3 * BUDGET)
    waited = [suspends(READ_CALLS[read](reader)) for _ in range(2 * BUDGET + 2)]
    assert waited == ([False] * BUDGET + [True]) * 2
    assert reader._sluiceway.buffer.size() == BUDGET, "a read that was closed while it yielded takes nothing"


@pytest.mark.loops("asyncio")
async def test_read_that_waits_for_data_renews_the_budget(core: types.ModuleType) -> None:
    reader = core.ReadOperations(1 << 20, asyncio.get_running_loop())
    reader._sluiceway.budget_used = BUDGET - 1
    assert suspends(reader.read(1))
    assert reader._sluiceway.budget_used == 0


class OpenTransport:
    def is_closing(self) -> bool:
        return False


class RoomyProtocol:
    async def _drain_helper(self) -> None:
        pass


@pytest.mark.parametrize("has_reader", [True, False])
@pytest.mark.loops("asyncio")
async def test_every_513th_drain_that_finds_room_yields(core: types.ModuleType, has_reader: bool) -> None:
    loop = asyncio.get_running_loop()
    reader = core.ReadOperations(100, loop) if has_reader else None
    writer = core.WriteOperations(OpenTransport(), RoomyProtocol(), reader, loop, core.ConnectionState(loop))
    waited = [suspends(writer.drain()) for _ in range(2 * (2 * BUDGET + 1))]
    assert waited == ([False] * 2 * BUDGET + [True]) * 2
