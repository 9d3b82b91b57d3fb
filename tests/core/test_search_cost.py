"""The search for a separator examines each byte once, however the record arrives. Counted in bytes, not in time."""

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


class Examined:
    """The number of bytes that searches were given."""

    count = 0


def _counting(kind: type, examined: Examined) -> Any:
    class Counting(kind):  # type: ignore[misc]
        """A bytes or bytearray that counts what find() goes over; pieces of it count as well."""

        def find(self, pattern: bytes, start: int = 0, end: int = sys.maxsize) -> int:
            found: int = kind.find(self, pattern, start, end)  # type: ignore[attr-defined]
            examined.count += (min(len(self), end) if found < 0 else found + len(pattern)) - start
            return found

        def __contains__(self, pattern: object) -> bool:
            examined.count += len(self)
            return bool(kind.__contains__(self, pattern))  # type: ignore[operator]

    return Counting


@pytest.fixture
def core() -> types.ModuleType:
    """The pure variant: nothing can be counted inside compiled code."""
    return importlib.import_module("sluiceway._core")


@pytest.fixture
def examined(core: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> Examined:
    """Count inside the buffer's modules, below its own means to avoid a second search."""
    module = sys.modules[core.ChunkBuffer.__module__]
    count = Examined()
    counted_bytearray = _counting(bytearray, count)
    for user in (module, importlib.import_module(f"{core.__name__}.search")):
        monkeypatch.setattr(user, "bytearray", counted_bytearray, raising=False)
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
async def test_record_in_equal_chunks_is_searched_once(
    core: types.ModuleType, examined: Examined, size: int, total: int, separator: Any
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
    assert 0 < examined.count <= len(separators) * 2 * len(record)


@pytest.mark.loops("asyncio")
async def test_record_of_single_bytes_is_searched_once(core: types.ModuleType, examined: Examined) -> None:
    reader = core.ReadOperations(2 * MIB, asyncio.get_running_loop())
    task = await start_task(reader.readuntil(b"\r\n"))
    for number in range(MIB):
        reader.feed_data(b"\r")
        if number % 20_000 == 0:
            await asyncio.sleep(0)
    reader.feed_data(b"\n")
    assert len(await task) == MIB + 1
    assert 0 < examined.count <= 2 * MIB


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("shared", [False, True], ids=["chunks", "reader._buffer"])
async def test_read_woken_for_each_byte_searches_each_byte_once(
    core: types.ModuleType, examined: Examined, shared: bool
) -> None:
    """Each wake-up examines the new byte, and those before it that may begin the separator."""
    reader = core.ReadOperations(MIB, asyncio.get_running_loop())
    if shared:
        reader._buffer = _counting(bytearray, examined)()
    task = await start_task(reader.readline())
    for _ in range(20_000):
        reader.feed_data(b"x")
        await asyncio.sleep(0)
    reader.feed_data(b"\n")
    assert len(await task) == 20_001
    assert 20_000 < examined.count <= 2 * 20_001


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("separators", [(b"\0", b"\n"), (b"\n\n", b"\r\r", b"\r\n\r\n")], ids=repr)
@pytest.mark.parametrize("shared", [False, True], ids=["chunks", "reader._buffer"])
async def test_missing_separator_is_not_searched_in_all_later_records_for_each_record(
    core: types.ModuleType, examined: Examined, separators: tuple[bytes, ...], shared: bool
) -> None:
    """Such records are short: a peer chooses them to make the search quadratic in the bytes that are buffered."""
    reader = core.ReadOperations(MIB, asyncio.get_running_loop())
    if shared:
        reader._buffer = _counting(bytearray, examined)()
    for _ in range(16):
        reader.feed_data(b"\n" * 8 * KIB)
    found = [separator for separator in separators if separator.strip(b"\n") == b""]
    count = 128 * KIB // len(found[0])
    for _ in range(count):
        assert await reader.readuntil(separators) == found[0]
    assert reader._sluiceway.buffer.size() == 0
    assert 0 < examined.count <= count * len(separators) * 64


@pytest.mark.loops("asyncio")
async def test_repeated_read_after_cancellation_does_not_search_again(
    core: types.ModuleType, examined: Examined
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
    assert 0 < examined.count <= 2 * 500_002


@pytest.mark.loops("asyncio")
async def test_search_for_another_separator_starts_at_the_first_byte(core: types.ModuleType) -> None:
    """The remembered position of one separator does not apply to another."""
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
async def test_record_over_the_limit_raises_after_one_search(
    core: types.ModuleType, examined: Examined, size: int
) -> None:
    """Reading pauses long before the peer has sent ten megabytes."""
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
    error = task.exception()
    assert isinstance(error, asyncio.LimitOverrunError)
    assert error.consumed == fed
    assert limit < fed <= 2 * limit + 65536
    assert examined.count <= 2 * fed
    with pytest.raises(asyncio.LimitOverrunError):
        await reader.readuntil(b"\n")
    assert await reader.readexactly(fed) == bytes(fed), "the error takes no bytes"
    assert not transport.paused


@pytest.mark.loops("asyncio")
async def test_pieces_of_a_record_in_asyncios_reader_search_a_piece_each(
    core: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program may read from the reader between two pieces, so each search begins again."""
    searched = 0
    shared = sys.modules[core.BorrowedReader.__module__].SharedBuffer

    def find(self: Any, pattern: bytes, start: int, end: int) -> int:
        nonlocal searched
        searched += end - start
        return int(self.data.find(pattern, start, end))

    monkeypatch.setattr(shared, "find", find, raising=False)
    reader = asyncio.StreamReader()
    records = core.SeparatedRecords(None, core.BorrowedReader(reader), "records", 100, 3, (b"|", b"\r\n"), False)
    reader.feed_data(bytes(100_000) + b"\r\nnext|")
    reader.feed_eof()
    pieces = [piece.data async for piece in records]
    assert pieces == [bytes(100)] * 999 + [bytes(100) + b"\r\n", b"next|"]
    assert searched <= 3 * 100_000


class CountedLookups(list[Any]):
    """Counts the look-ups of its items."""

    lookups = 0

    def __getitem__(self, index: Any) -> Any:
        self.lookups += 1
        return super().__getitem__(index)


def test_search_at_either_end_examines_few_of_many_chunks(core: types.ModuleType) -> None:
    """Else each of many buffered records would cost a walk over all chunks."""
    buffer = core.ChunkBuffer()
    record = b"x" * 998 + b"\r\n"
    for _ in range(10_000):
        buffer.append(10 * record)
    buffer.take(5_000)
    chunks = buffer._chunks = CountedLookups(buffer._chunks)
    size = buffer.size()
    for start in (0, 1, 4_999, 5_000, 5_001, size - 5_000, size - 1_000):
        assert buffer.find(b"\r\n", start, size) == (start + 1) // 1_000 * 1_000 + 998
    assert chunks.lookups < 100
