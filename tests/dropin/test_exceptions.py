"""S7: the exceptions are asyncio's, and survive pickling and copying."""

import asyncio
import copy
import pickle
import types
from typing import Any

import pytest

import sluiceway


async def raised_by(call: Any) -> BaseException:
    try:
        await call
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return error
    raise AssertionError("nothing was raised")


async def incomplete(streams: types.ModuleType) -> Any:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc")
    reader.feed_eof()
    return await raised_by(reader.readexactly(5))


async def overrun(streams: types.ModuleType) -> Any:
    reader = streams.StreamReader(4, asyncio.get_running_loop())
    reader.feed_data(b"abcdefgh;")
    return await raised_by(reader.readuntil(b";"))


def copies(error: Any) -> list[Any]:
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    return [error, *pickled, copy.copy(error), copy.deepcopy(error)]


@pytest.mark.loops("asyncio")
async def test_an_incomplete_read(streams: types.ModuleType) -> None:
    error = await incomplete(streams)
    for one in copies(error):
        assert type(one) is asyncio.IncompleteReadError is sluiceway.IncompleteReadError
        assert isinstance(one, EOFError)
        assert (one.partial, one.expected) == (b"abc", 5)
        assert type(one.partial) is bytes
        assert str(one) == str(error)


@pytest.mark.loops("asyncio")
async def test_an_incomplete_record_expects_no_number(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc")
    reader.feed_eof()
    for one in copies(await raised_by(reader.readuntil(b";"))):
        assert (one.partial, one.expected) == (b"abc", None)


@pytest.mark.loops("asyncio")
async def test_an_overrun(streams: types.ModuleType) -> None:
    error = await overrun(streams)
    for one in copies(error):
        assert type(one) is asyncio.LimitOverrunError is sluiceway.LimitOverrunError
        assert one.consumed == 8
        assert str(one) == str(error)


def test_they_are_the_names_in_asyncio_streams_and_exceptions() -> None:
    from asyncio import exceptions, streams

    for name in ("IncompleteReadError", "LimitOverrunError"):
        assert getattr(sluiceway, name) is getattr(exceptions, name) is getattr(asyncio, name)
    assert streams.exceptions is exceptions
    with sluiceway.installed():
        assert asyncio.IncompleteReadError is sluiceway.IncompleteReadError


@pytest.mark.loops("asyncio")
async def test_sluiceways_own_are_picklable_too() -> None:
    error = sluiceway.PlaintextBeforeTLSError("7 bytes")
    for one in copies(error):
        assert type(one) is sluiceway.PlaintextBeforeTLSError
        assert str(one) == "7 bytes"
