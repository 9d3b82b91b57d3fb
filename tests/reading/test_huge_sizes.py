"""Sizes and limits that no C integer holds: read(n), readexactly(n) and the limit behave as in asyncio."""

import asyncio
import math
import types

import pytest

import sluiceway
from support.connections import connected_pair
from support.scheduling import start_task

# From the second on, the size or its sum with twice the default limit exceeds a signed 64-bit integer.
SIZES = [1 << 62, (1 << 63) - 131072, (1 << 63) - 1, 1 << 63, 1 << 200]
each_size = pytest.mark.parametrize("n", SIZES, ids=hex)


@each_size
async def test_readexactly_of_a_huge_size_raises_incomplete_read_error_at_eof(
    streams: types.ModuleType, n: int
) -> None:
    async with connected_pair(streams) as ((reader, _), (_, writer)):
        task = await start_task(reader.readexactly(n))
        for _ in range(4):
            writer.write(bytes(100_000))
            await writer.drain()
        writer.write_eof()
        with pytest.raises(asyncio.IncompleteReadError) as incomplete:
            await asyncio.wait_for(task, 30)
        assert incomplete.value.partial == bytes(400_000)
        assert incomplete.value.expected == n


@each_size
async def test_read_of_a_huge_size_returns_what_has_arrived(streams: types.ModuleType, n: int) -> None:
    async with connected_pair(streams) as ((reader, _), (_, writer)):
        writer.write(b"first")
        assert await reader.read(n) == b"first"
        task = await start_task(reader.read(n))
        writer.write(b"second")
        assert await task == b"second"


@pytest.mark.parametrize("limit", [math.inf, 1 << 62, 1 << 40])
@pytest.mark.parametrize("n", [1 << 40, *SIZES], ids=hex)
async def test_read_of_a_huge_size_without_limit_loses_no_byte(n: int, limit: float) -> None:
    async with connected_pair(sluiceway, client={"limit": limit}) as ((reader, _), (_, writer)):
        for _ in range(4):
            # From the second round on, the waiting read receives into memory of its own.
            task = await start_task(reader.read(n))
            writer.write(bytes(100_000))
            size = len(await task)
            while size < 100_000:
                size += len(await reader.read(n))
            assert size == 100_000


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("limit", [1 << 62, 1 << 63, 1 << 200, math.inf, -(1 << 62), -(1 << 200)])
async def test_assigned_huge_limit_is_the_limit_of_a_line(limit: float) -> None:
    reader = sluiceway.StreamReader()
    reader._limit = limit
    reader.feed_data(b"line\n")
    if limit > 0:
        assert await reader.readline() == b"line\n"
    else:
        with pytest.raises(ValueError, match="exceeds the limit"):
            await reader.readline()


@pytest.mark.loops("asyncio")
async def test_huge_consumed_of_an_overridden_readuntil_discards_the_buffer(streams: types.ModuleType) -> None:
    class Reader(streams.StreamReader):  # type: ignore[name-defined,misc]
        async def readuntil(self, separator: object = b"\n") -> bytes:
            raise asyncio.LimitOverrunError("too long", 1 << 63)

    reader = Reader()
    reader.feed_data(b"line\n")
    with pytest.raises(ValueError, match="too long"):
        await reader.readline()
    reader.feed_eof()
    assert await reader.read() == b""
