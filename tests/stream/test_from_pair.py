"""Stream.from_pair: which halves it accepts, and what a stream of one half does."""

import asyncio
import io
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair


async def test_stream_reads_and_sends_on_its_pair() -> None:
    async with connected_pair(sluiceway) as (client, server):
        one, other = sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)
        await one.send(b"a line\nabc")
        assert await other.read_line() == b"a line\n"
        assert await other.read_exactly(3) == b"abc"
        assert (one.reader, one.writer) == client
        async with other:
            assert (other.peer, other.local) == (one.local, one.peer)
        assert await one.read(10) == b""


@pytest.mark.parametrize("halves", [(None, None), ("reader", None), (None, "writer")])
async def test_invalid_half_raises_type_error(halves: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a sluiceway|at least one"):
        sluiceway.Stream.from_pair(*halves)
    with pytest.raises(TypeError, match=r"must be a sluiceway|at least one"):
        sluiceway.Stream(*halves)


async def test_asyncio_reader_raises_type_error_that_names_lines() -> None:
    reader: Any = asyncio.StreamReader()
    with pytest.raises(TypeError, match=r"not asyncio's 'StreamReader'.*installed\(\).*sluiceway\.lines\(\)"):
        sluiceway.Stream.from_pair(reader, None)


async def test_swapped_halves_raise_type_error_that_names_the_order() -> None:
    async with connected_pair(sluiceway) as (client, _):
        reader, writer = client
        make: Any = sluiceway.Stream.from_pair
        for halves in ((writer, reader), (writer, None)):
            with pytest.raises(TypeError, match=r"; the order is from_pair\(reader, writer\)$"):
                make(*halves)
        with pytest.raises(TypeError, match="not 'StreamReader'"):
            make(None, reader)


async def test_messages_name_the_public_class_and_the_connection() -> None:
    async with connected_pair(sluiceway) as (client, server):
        one, other = sluiceway.Stream.from_pair(*client), sluiceway.Stream.from_pair(*server)
        assert repr(one) == f"<Stream connection {one.local[0]}:{one.local[1]} -> {one.peer[0]}:{one.peer[1]}>"
        any_stream: Any = one
        for call in (any_stream.frames, any_stream.send, any_stream.from_pair, any_stream.aclose):
            with pytest.raises(TypeError, match=rf"Stream\.{call.__name__}\(\) got an unexpected"):
                call(unknown=1)
        with pytest.raises(TypeError, match=r"read_until\(\): separator argument"):
            await any_stream.read_until("text")
        with pytest.raises(TypeError, match=r"records\(\): separator argument"):
            any_stream.records("text")
        with pytest.raises(TypeError, match=r"context argument must be an ssl\.SSLContext, not 'bool'"):
            await any_stream.start_tls(True)
        async with one.deadline(60) as deadline:
            pass
        with pytest.raises(RuntimeError, match=r"call deadline\(\) for each block"):
            async with deadline:
                pass
        await other.aclose()


async def test_missing_half_raises_unsupported_operation() -> None:
    stream = sluiceway.Stream.from_pair(sluiceway.StreamReader(), None)
    with pytest.raises(io.UnsupportedOperation, match="can only be read"):
        await stream.send(b"data")
