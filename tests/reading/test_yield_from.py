"""S8: every awaitable of the API also works under ``yield from`` in a generator-based coroutine."""

import asyncio
import types
from collections.abc import Generator
from typing import Any

import pytest

from support.connections import server_address
from support.scheduling import run_iterations

Steps = Generator[Any, Any, Any]


@types.coroutine
def every_read(reader: Any) -> Steps:
    """Call each read twice: with its data buffered, and with its data still to come."""
    results = []
    reader.feed_data(b"ab" + b"cd" + b"line\n" + b"record|" + b"next\n")
    for times in range(2):
        if times:
            asyncio.get_running_loop().call_soon(trickle, reader)
        results.append((yield from reader.read(2)))
        results.append((yield from reader.readexactly(2)))
        results.append((yield from reader.readline()))
        results.append((yield from reader.readuntil(b"|")))
        results.append((yield from reader.__anext__()))
    asyncio.get_running_loop().call_soon(reader.feed_eof)
    results.append((yield from reader.read()))
    return results


def trickle(reader: Any) -> None:
    loop = asyncio.get_running_loop()
    data = [b"ab", b"c", b"d", b"li", b"ne\n", b"record", b"|", b"ne", b"xt\n"]

    def one() -> None:
        reader.feed_data(data.pop(0))
        if data:
            loop.call_soon(loop.call_soon, loop.call_soon, one)

    one()


async def test_reads_work_under_yield_from(streams: types.ModuleType) -> None:
    results = await every_read(streams.StreamReader())
    assert results == [b"ab", b"cd", b"line\n", b"record|", b"next\n"] * 2 + [b""]


@types.coroutine
def exchange(streams: types.ModuleType, unix: str | None, contexts: Any = None) -> Steps:
    """Run a server and a client from the first call to the last without ``await``."""
    with_start_tls = contexts is not None

    @types.coroutine
    def handle(reader: Any, writer: Any) -> Steps:
        line = yield from reader.readline()
        writer.write(b"echo " + line)
        yield from writer.drain()
        if with_start_tls:
            yield from writer.start_tls(contexts.server_context)
            writer.write((yield from reader.readline()))
            yield from writer.drain()
        writer.close()
        yield from writer.wait_closed()

    async def handler(reader: Any, writer: Any) -> None:
        await handle(reader, writer)  # asyncio's server starts coroutine functions only

    if unix is None:
        server = yield from streams.start_server(handler, "127.0.0.1", 0, start_serving=False)
    else:
        server = yield from streams.start_unix_server(handler, unix, start_serving=False)
    yield from server.start_serving()
    if unix is None:
        reader, writer = yield from streams.open_connection(*server_address(server))
    else:
        reader, writer = yield from streams.open_unix_connection(unix)
    writer.write(b"hello\n")
    yield from writer.drain()
    received = yield from reader.readline()
    if with_start_tls:
        yield from writer.start_tls(contexts.client_context, server_hostname="localhost")
        writer.write(b"secret\n")
        yield from writer.drain()
        received += yield from reader.readline()
    received += yield from reader.read()
    writer.close()
    yield from writer.wait_closed()
    server.close()
    yield from server.wait_closed()
    return received


async def test_tcp_connection_works_under_yield_from(streams: types.ModuleType) -> None:
    assert await exchange(streams, None) == b"echo hello\n"


async def test_unix_connection_works_under_yield_from(streams: types.ModuleType, unix_path: str) -> None:
    assert await exchange(streams, unix_path) == b"echo hello\n"


async def test_start_tls_works_under_yield_from(streams: types.ModuleType, tls: Any) -> None:
    assert await exchange(streams, None, tls) == b"echo hello\nsecret\n"


async def test_serve_forever_works_under_yield_from(streams: types.ModuleType) -> None:
    @types.coroutine
    def serve(server: Any) -> Steps:
        yield from server.serve_forever()

    server = await streams.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    task = asyncio.ensure_future(serve(server))
    await run_iterations()
    assert server.is_serving()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.is_serving()
