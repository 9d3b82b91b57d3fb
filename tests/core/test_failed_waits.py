"""A read that cannot begin to wait, because the loop raises an exception, leaves its reader usable."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from sluiceway._core import record_iterator
from sluiceway._core.record_iterator import _FREE_OPERATIONS


class FailingLoop(asyncio.SelectorEventLoop):
    """Raises MemoryError in the methods whose names are in ``failing``."""

    failing: frozenset[str] = frozenset()

    def create_future(self) -> asyncio.Future[Any]:
        self._fail("create_future")
        return super().create_future()

    def call_soon(self, *arguments: Any, **keywords: Any) -> asyncio.Handle:
        self._fail("call_soon")
        return super().call_soon(*arguments, **keywords)

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise MemoryError


@pytest.fixture
def loop() -> Iterator[FailingLoop]:
    loop = FailingLoop()
    yield loop
    loop.failing = frozenset()
    loop.close()


READS: dict[str, Callable[[Any], Coroutine[Any, Any, bytes]]] = {
    "read": lambda reader: reader.read(5),
    "readexactly": lambda reader: reader.readexactly(5),
    "readuntil": lambda reader: reader.readuntil(b"\n"),
    "readline": lambda reader: reader.readline(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("failing", ["create_future", "call_soon"])
def test_read_after_a_failed_wait_returns(
    core: types.ModuleType, loop: FailingLoop, read: Callable[[Any], Coroutine[Any, Any, bytes]], failing: str
) -> None:
    reader = core.ReadOperations(1 << 16, loop)
    if failing == "call_soon":
        # The read yields to the loop.
        reader._sluiceway.budget_used = _FREE_OPERATIONS
    loop.failing = frozenset([failing])
    with pytest.raises(MemoryError):
        read(reader).send(None)
    loop.failing = frozenset()
    reader.feed_data(b"next\n")
    assert loop.run_until_complete(read(reader)) == b"next\n"


def test_failed_wait_for_a_frame_does_not_delay_the_next_read(core: types.ModuleType, loop: FailingLoop) -> None:
    """The next read waits for its own bytes, not for those of the frame."""
    reader = core.ReadOperations(1 << 16, loop)
    frames = core.LengthPrefixed(reader, None, "frames", 1 << 20, record_iterator.RAISE, 4, False)
    reader.feed_data(bytes([0, 1, 0, 0]))
    loop.failing = frozenset(["create_future"])
    with pytest.raises(MemoryError):
        next(frames.__anext__().__await__())
    loop.failing = frozenset()

    async def feed() -> None:
        reader.feed_data(b"next")

    async def read() -> tuple[bytes, None]:
        return await asyncio.gather(reader.readuntil(b"next"), feed())

    assert loop.run_until_complete(read())[0].endswith(b"next")


def test_read_after_a_failed_wait_behind_another_reader_returns(
    core: types.ModuleType, loop: FailingLoop, allocation_hooks: types.ModuleType
) -> None:
    """A reader of the program and that of the connection wait at the same time; see _add_wait()."""
    failures = 0
    for start in range(60):
        first, second = (core.ReadOperations(1 << 16, loop) for _ in range(2))
        first._sluiceway.connection = second._sluiceway.connection = core.ConnectionState(loop)
        waiting = first.readline()
        waiting.send(None)
        failing = second.readline()
        try:
            allocation_hooks.set_nomemory(start, start + 1)
            try:
                failing.send(None)
            finally:
                allocation_hooks.remove_mem_hooks()
        except MemoryError:
            failures += 1
            second.feed_data(b"next\n")
            assert loop.run_until_complete(second.readline()) == b"next\n"
        failing.close()
        waiting.close()
        assert first._sluiceway.connection.waiting_read is None
    assert failures
