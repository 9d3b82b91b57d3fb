"""pair(): two Streams that are connected to each other."""

import pytest

import sluiceway


async def test_each_end_reads_what_other_end_sends() -> None:
    async with sluiceway.pair(limit=100) as (first, second):
        await first.send(b"to second\n")
        await second.send(b"to first\n")
        assert await second.read_line() == b"to second\n"
        assert await first.read_line() == b"to first\n"
        await first.aclose()
        assert await second.read(1) == b""


async def test_awaited_pair_is_closed_by_caller() -> None:
    first, second = await sluiceway.pair()
    await first.aclose()
    await second.aclose()


async def test_limit_bounds_line() -> None:
    async with sluiceway.pair(limit=10) as (first, second):
        await first.send(b"x" * 100 + b"\n")
        with pytest.raises(sluiceway.LimitOverrunError, match="max_length=10"):
            await second.read_line()
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        sluiceway.pair(limit=0)
