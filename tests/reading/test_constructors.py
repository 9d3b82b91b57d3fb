"""S9: StreamReader and StreamReaderProtocol accept any loop=; without it they choose a loop as asyncio does."""

import asyncio
import math
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support import loops


def outcome(make: Callable[[], Any]) -> tuple[str, list[str]]:
    """Return how the constructor ended, and its warnings."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            made = make()
        except (RuntimeError, ValueError) as error:
            end = f"{type(error).__name__}: {error}"
        else:
            end = "made" if made._loop is not None else "made without a loop"
    return end, [f"{one.category.__name__}: {one.message}" for one in given]


def readers(streams: types.ModuleType) -> list[Callable[[], Any]]:
    return [
        streams.StreamReader,
        lambda: streams.StreamReader(1024),
        lambda: streams.StreamReader(limit=1024, loop=None),
    ]


def protocols(streams: types.ModuleType, loop: asyncio.AbstractEventLoop) -> list[Callable[[], Any]]:
    return [
        lambda: streams.StreamReaderProtocol(streams.StreamReader(loop=loop)),
        lambda: streams.StreamReaderProtocol(streams.StreamReader(loop=loop), loop=None),
    ]


@pytest.mark.parametrize("current", [False, True], ids=["no current loop", "current loop not running"])
def test_no_loop_argument_outside_running_loop_behaves_as_in_asyncio(loop_kind: str, current: bool) -> None:
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        asyncio.set_event_loop(loop if current else None)
        try:
            for ours, theirs in zip(
                readers(sluiceway) + protocols(sluiceway, loop),
                readers(asyncio) + protocols(asyncio, loop),
                strict=True,
            ):
                assert outcome(ours) == outcome(theirs)
            if current:
                assert sluiceway.StreamReader()._loop is loop
        finally:
            asyncio.set_event_loop(None)


async def test_no_loop_argument_uses_running_loop(streams: types.ModuleType) -> None:
    assert streams.StreamReader()._loop is asyncio.get_running_loop()
    reader = streams.StreamReader(limit=10)
    assert reader._loop is asyncio.get_running_loop()
    assert streams.StreamReaderProtocol(reader)._loop is asyncio.get_running_loop()


def test_loop_not_running_is_accepted_and_used(streams: types.ModuleType, loop_kind: str) -> None:
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        reader = streams.StreamReader(loop=loop)
        protocol = streams.StreamReaderProtocol(reader, loop=loop)
        assert reader._loop is protocol._loop is loop
        reader.feed_data(b"fed before\n")

        async def read() -> bytes:
            line: bytes = await reader.readline()
            loop.call_soon(reader.feed_data, b"fed while it runs\n")
            return line + await reader.readline()

        assert runner.run(read()) == b"fed before\nfed while it runs\n"


async def test_loop_other_than_running_one_is_accepted(streams: types.ModuleType) -> None:
    other = asyncio.new_event_loop()
    try:
        reader = streams.StreamReader(loop=other)
        assert reader._loop is other
        reader.feed_data(b"x")
        assert await reader.read(1) == b"x", "a read that need not wait needs no loop"
    finally:
        other.close()


@pytest.mark.parametrize("given", [(), (None,)])
async def test_missing_or_none_limit_is_64_kib(given: tuple[None, ...]) -> None:
    reader = sluiceway.StreamReader(*given)
    assert reader._limit == 64 * 1024
    reader = sluiceway.StreamReader(limit=None, loop=asyncio.get_running_loop())
    assert reader._limit == 64 * 1024


async def test_limit_and_loop_are_accepted_by_position(streams: types.ModuleType) -> None:
    loop = asyncio.get_running_loop()
    reader = streams.StreamReader(77, loop)
    assert (reader._limit, reader._loop) == (77, loop)


async def test_infinite_limit_accepts_line_of_one_mib(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(limit=math.inf)
    reader.feed_data(b"x" * (1 << 20))
    reader.feed_data(b"\n")
    assert len(await reader.readline()) == (1 << 20) + 1
