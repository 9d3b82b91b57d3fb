"""A search for the end of a record looks at no byte twice, however the record arrives. Counted, not timed."""

import asyncio
import importlib
import sys
import types
from typing import Any

import pytest

from support.fake_transports import CountingTransport
from support.scheduling import run_iterations, start_task

KIB = 1024
MIB = 1024 * KIB


class Looked:
    """How many bytes the searches of a core were given to look at."""

    count = 0


def _counting(kind: type, looked: Looked) -> Any:
    class Counting(kind):  # type: ignore[misc]
        """A bytes or bytearray that counts what find() goes over; pieces of it count as well."""

        def find(self, pattern: bytes, start: int = 0, end: int = sys.maxsize) -> int:
            found: int = kind.find(self, pattern, start, end)  # type: ignore[attr-defined]
            looked.count += (min(len(self), end) if found < 0 else found + len(pattern)) - start
            return found

        def __contains__(self, pattern: object) -> bool:
            looked.count += len(self)
            return bool(kind.__contains__(self, pattern))  # type: ignore[operator]

    return Counting


@pytest.fixture
def core() -> types.ModuleType:
    """The pure variant: nothing can be counted inside compiled code."""
    return importlib.import_module("sluiceway._core")


@pytest.fixture
def looked(core: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> Looked:
    """Count inside the buffer's own module, below whatever it does to avoid a second look."""
    module = sys.modules[core.ChunkBuffer.__module__]
    count = Looked()
    monkeypatch.setattr(module, "bytearray", _counting(bytearray, count), raising=False)
    counted_bytes = _counting(bytes, count)
    append = core.ChunkBuffer.append
    # A received chunk that is kept as it came is searched in place; the buffer asks for exact bytes nowhere.
    monkeypatch.setattr(core.ChunkBuffer, "append", lambda self, data: append(self, counted_bytes(data)))
    return count


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("size", "total"),
    [(1, MIB // 16), (2, MIB // 16), (700, 10 * MIB), (8191, 10 * MIB), (8192, 10 * MIB), (65536, 10 * MIB)],
)
@pytest.mark.parametrize("separator", [b"\n", b"\r\n", b"--boundary--", (b"\n", b"--x--")], ids=repr)
async def test_a_record_in_chunks_is_searched_once(
    core: types.ModuleType, looked: Looked, size: int, total: int, separator: Any
) -> None:
    reader = core.ReadOperations(total + KIB, asyncio.get_running_loop())
    task = await start_task(reader.readuntil(separator))
    separators = separator if isinstance(separator, tuple) else (separator,)
    end = separators[-1]
    piece = bytes(size)
    # The task runs, and searches, after each of a hundred arrivals and after the last.
    every = max(1, total // size // 100)
    for number in range(total // size):
        reader.feed_data(piece)
        if number % every == 0:
            await asyncio.sleep(0)
    reader.feed_data(end)
    record = await task
    assert len(record) == total // size * size + len(end)
    assert 0 < looked.count <= len(separators) * 2 * len(record)


@pytest.mark.loops("asyncio")
async def test_a_megabyte_one_byte_at_a_time_is_searched_once(core: types.ModuleType, looked: Looked) -> None:
    reader = core.ReadOperations(2 * MIB, asyncio.get_running_loop())
    task = await start_task(reader.readuntil(b"\r\n"))
    for number in range(MIB):
        reader.feed_data(b"\r")
        if number % 20_000 == 0:
            await asyncio.sleep(0)
    reader.feed_data(b"\n")
    assert len(await task) == MIB + 1
    assert 0 < looked.count <= 2 * MIB


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("shared", [False, True], ids=["chunks", "reader._buffer"])
async def test_a_dripping_peer_costs_one_look_per_byte(core: types.ModuleType, looked: Looked, shared: bool) -> None:
    """The task is woken for every byte, and looks at the new one and at what may have begun before it."""
    reader = core.ReadOperations(MIB, asyncio.get_running_loop())
    if shared:
        reader._buffer = _counting(bytearray, looked)()
    task = await start_task(reader.readline())
    for _ in range(20_000):
        reader.feed_data(b"x")
        await asyncio.sleep(0)
    reader.feed_data(b"\n")
    assert len(await task) == 20_001
    assert 20_000 < looked.count <= 2 * 20_001


@pytest.mark.loops("asyncio")
async def test_a_read_that_is_cancelled_and_repeated_does_not_search_again(
    core: types.ModuleType, looked: Looked
) -> None:
    reader = core.ReadOperations(MIB, asyncio.get_running_loop())
    for _ in range(500):
        reader.feed_data(b"x" * 1000)
        task = await start_task(reader.readuntil(b"\r\n"))
        task.cancel()
        await run_iterations()
        assert task.cancelled()
    reader.feed_data(b"\r\n")
    assert len(await reader.readuntil(b"\r\n")) == 500_002
    assert 0 < looked.count <= 2 * 500_002


@pytest.mark.loops("asyncio")
async def test_a_search_for_something_else_begins_at_the_beginning(core: types.ModuleType) -> None:
    """What was remembered of a search for one separator says nothing of another."""
    reader = core.ReadOperations(MIB, asyncio.get_running_loop())
    reader.feed_data(b"one|two--three")
    task = await start_task(reader.readuntil(b"\n"))
    task.cancel()
    await run_iterations()
    assert await reader.readuntil(b"|") == b"one|"
    assert await reader.readuntil((b"--", b"\n")) == b"two--"
    reader.feed_data(b"\n")
    assert await reader.readuntil(b"\n") == b"three\n"


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("size", [1, 100, 8192, 65536])
async def test_ten_megabytes_without_a_newline_are_refused_at_the_limit(
    core: types.ModuleType, looked: Looked, size: int
) -> None:
    """The peer has ten megabytes to send; it is stopped long before."""
    limit = 64 * 1024
    reader = core.ReadOperations(limit, asyncio.get_running_loop())
    transport = CountingTransport()
    reader.set_transport(transport)
    task = await start_task(reader.readuntil(b"\n"))
    fed = 0
    while fed < 10 * MIB and not transport.paused and not task.done():
        reader.feed_data(bytes(size))
        fed += size
        if fed % 8192 == 0:
            await asyncio.sleep(0)
    await run_iterations()
    refused = task.exception()
    assert isinstance(refused, asyncio.LimitOverrunError)
    assert refused.consumed == fed
    assert limit < fed <= 2 * limit + 65536
    assert looked.count <= 2 * fed
    with pytest.raises(asyncio.LimitOverrunError):
        await reader.readuntil(b"\n")
    assert await reader.readexactly(fed) == bytes(fed), "nothing is taken by a refusal"
    assert not transport.paused
