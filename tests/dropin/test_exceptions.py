"""S7: the exceptions are asyncio's own classes, and can be pickled and copied."""

import asyncio
import copy
import pickle
import types
from typing import Any

import pytest

import sluiceway


async def error_of(call: Any) -> BaseException:
    try:
        await call
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return error
    raise AssertionError("nothing was raised")


async def incomplete_read_error(streams: types.ModuleType) -> Any:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc")
    reader.feed_eof()
    return await error_of(reader.readexactly(5))


async def limit_overrun_error(streams: types.ModuleType) -> Any:
    reader = streams.StreamReader(4, asyncio.get_running_loop())
    reader.feed_data(b"abcdefgh;")
    return await error_of(reader.readuntil(b";"))


def copies(error: Any) -> list[Any]:
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    return [error, *pickled, copy.copy(error), copy.deepcopy(error)]


@pytest.mark.loops("asyncio")
async def test_copies_of_incomplete_read_error_keep_partial_and_expected(streams: types.ModuleType) -> None:
    error = await incomplete_read_error(streams)
    for copied in copies(error):
        assert type(copied) is asyncio.IncompleteReadError is sluiceway.IncompleteReadError
        assert isinstance(copied, EOFError)
        assert (copied.partial, copied.expected) == (b"abc", 5)
        assert type(copied.partial) is bytes
        assert str(copied) == str(error)


@pytest.mark.loops("asyncio")
async def test_copies_of_incomplete_record_error_have_no_expected(streams: types.ModuleType) -> None:
    reader = streams.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(b"abc")
    reader.feed_eof()
    for copied in copies(await error_of(reader.readuntil(b";"))):
        assert (copied.partial, copied.expected) == (b"abc", None)


@pytest.mark.loops("asyncio")
async def test_copies_of_limit_overrun_error_keep_consumed(streams: types.ModuleType) -> None:
    error = await limit_overrun_error(streams)
    for copied in copies(error):
        assert type(copied) is asyncio.LimitOverrunError is sluiceway.LimitOverrunError
        assert copied.consumed == 8
        assert str(copied) == str(error)


def test_exceptions_are_those_of_asyncio() -> None:
    from asyncio import exceptions, streams

    for name in ("IncompleteReadError", "LimitOverrunError"):
        assert getattr(sluiceway, name) is getattr(exceptions, name) is getattr(asyncio, name)
    assert streams.exceptions is exceptions
    with sluiceway.installed():
        assert asyncio.IncompleteReadError is sluiceway.IncompleteReadError


@pytest.mark.loops("asyncio")
async def test_copies_of_plaintext_before_tls_error_keep_message() -> None:
    error = sluiceway.PlaintextBeforeTLSError("7 bytes")
    for copied in copies(error):
        assert type(copied) is sluiceway.PlaintextBeforeTLSError
        assert str(copied) == "7 bytes"
