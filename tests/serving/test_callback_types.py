"""S2: the callback is a plain function, a coroutine function, or whatever returns an awaitable."""

import asyncio
import functools
import types
from collections.abc import Callable, Generator
from typing import Any

import pytest

import sluiceway
from support.connections import server_address


async def serve(reader: Any, writer: Any) -> None:
    writer.write(await reader.readline())
    writer.close()
    await writer.wait_closed()


async def serve_with(prefix: bytes, reader: Any, writer: Any, *, suffix: bytes = b"") -> None:
    line = await reader.readline()
    assert (prefix, suffix) == (b"<", b">")
    writer.write(line)
    writer.close()


def plain(reader: Any, writer: Any) -> None:
    def answer(line: "asyncio.Task[bytes]") -> None:
        writer.write(line.result())
        writer.close()
        tasks.discard(line)

    task = asyncio.get_running_loop().create_task(reader.readline())
    tasks.add(task)
    task.add_done_callback(answer)


tasks: set[Any] = set()


@types.coroutine
def by_generator(reader: Any, writer: Any) -> Generator[Any, Any, None]:
    line = yield from reader.readline()
    writer.write(line)
    writer.close()


def a_task(reader: Any, writer: Any) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(serve(reader, writer))


def a_future(reader: Any, writer: Any) -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    a_task(reader, writer).add_done_callback(lambda task: future.set_result(None))
    return future


class Awaitable:
    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer

    def __await__(self) -> Any:
        return serve(self._reader, self._writer).__await__()


class Service:
    async def method(self, reader: Any, writer: Any) -> None:
        await serve(reader, writer)

    def plain_method(self, reader: Any, writer: Any) -> None:
        plain(reader, writer)

    @staticmethod
    async def static(reader: Any, writer: Any) -> None:
        await serve(reader, writer)

    @classmethod
    async def of_class(cls, reader: Any, writer: Any) -> None:
        await serve(reader, writer)


class Called:
    async def __call__(self, reader: Any, writer: Any) -> None:
        await serve(reader, writer)


class CalledPlainly:
    def __call__(self, reader: Any, writer: Any) -> None:
        plain(reader, writer)


CALLABLES: dict[str, Callable[..., Any]] = {
    "coroutine function": serve,
    "plain function": plain,
    "lambda that returns a coroutine": lambda reader, writer: serve(reader, writer),
    "partial": functools.partial(serve_with, b"<", suffix=b">"),
    "partial of partial": functools.partial(functools.partial(serve_with, b"<"), suffix=b">"),
    "bound method": Service().method,
    "plain bound method": Service().plain_method,
    "static method": Service.static,
    "class method": Service.of_class,
    "object with async __call__": Called(),
    "object with plain __call__": CalledPlainly(),
    "types.coroutine": by_generator,
    "returns a task": a_task,
    "returns a future": a_future,
    "returns an awaitable of its own": Awaitable,
}

# asyncio waits for coroutines only, and since Python 3.12 types.coroutine makes none.
OURS_ALONE = ["types.coroutine", "returns an awaitable of its own"]


async def served_twice(streams: Any, kind: str) -> None:
    server = await streams.start_server(CALLABLES[kind], "127.0.0.1", 0)
    for _ in range(2):
        reader, writer = await streams.open_connection(*server_address(server))
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", [kind for kind in CALLABLES if kind not in OURS_ALONE])
async def test_callable(streams: types.ModuleType, kind: str) -> None:
    await served_twice(streams, kind)


@pytest.mark.parametrize("kind", OURS_ALONE)
async def test_callable_that_asyncio_does_not_wait_for(kind: str) -> None:
    await served_twice(sluiceway, kind)


@pytest.mark.parametrize("kind", ["coroutine function", "returns a future", "returns an awaitable of its own"])
async def test_callable_of_a_unix_server(kind: str, unix_path: str) -> None:
    async with await sluiceway.start_unix_server(CALLABLES[kind], unix_path):
        reader, writer = await sluiceway.open_unix_connection(unix_path)
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("value", [5, "text", object()])
async def test_what_a_plain_function_returns_beside_awaitables_is_ignored(value: Any) -> None:
    def handle(reader: Any, writer: Any) -> Any:
        writer.close()
        return value

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_reader_and_writer_are_of_the_public_classes() -> None:
    given: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def handle(reader: Any, writer: Any) -> None:
        given.set_result((type(reader), type(writer)))
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        _, writer = await sluiceway.open_connection(*server_address(server))
        assert await given == (sluiceway.StreamReader, sluiceway.StreamWriter)
        writer.close()
        await writer.wait_closed()
