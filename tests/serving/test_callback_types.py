"""S2: the callback is a plain function, a coroutine function, or a callable that returns an awaitable."""

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
    def reply(line: "asyncio.Task[bytes]") -> None:
        writer.write(line.result())
        writer.close()
        tasks.discard(line)

    task = asyncio.get_running_loop().create_task(reader.readline())
    tasks.add(task)
    task.add_done_callback(reply)


tasks: set[Any] = set()


@types.coroutine
def serve_by_generator(reader: Any, writer: Any) -> Generator[Any, Any, None]:
    line = yield from reader.readline()
    writer.write(line)
    writer.close()


def serve_in_task(reader: Any, writer: Any) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(serve(reader, writer))


def serve_in_future(reader: Any, writer: Any) -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = serve_in_task(reader, writer)
    # Without a reference, the garbage collector may free the task: the loop has weak references only.
    tasks.add(task)

    def ended(task: "asyncio.Task[None]") -> None:
        tasks.discard(task)
        future.set_result(None)

    task.add_done_callback(ended)
    return future


class ServiceAwaitable:
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
    async def static_method(reader: Any, writer: Any) -> None:
        await serve(reader, writer)

    @classmethod
    async def class_method(cls, reader: Any, writer: Any) -> None:
        await serve(reader, writer)


class AsyncCallable:
    async def __call__(self, reader: Any, writer: Any) -> None:
        await serve(reader, writer)


class PlainCallable:
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
    "static method": Service.static_method,
    "class method": Service.class_method,
    "object with async __call__": AsyncCallable(),
    "object with plain __call__": PlainCallable(),
    "types.coroutine": serve_by_generator,
    "function that returns a task": serve_in_task,
    "function that returns a future": serve_in_future,
    "returns another awaitable": ServiceAwaitable,
}

# asyncio waits for coroutines only, and since Python 3.12 types.coroutine makes none.
NOT_AWAITED_BY_ASYNCIO = ["types.coroutine", "returns another awaitable"]


async def check_serves_twice(streams: Any, kind: str) -> None:
    server = await streams.start_server(CALLABLES[kind], "127.0.0.1", 0)
    for _ in range(2):
        reader, writer = await streams.open_connection(*server_address(server))
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", [kind for kind in CALLABLES if kind not in NOT_AWAITED_BY_ASYNCIO])
async def test_callback_of_each_type_serves(streams: types.ModuleType, kind: str) -> None:
    await check_serves_twice(streams, kind)


@pytest.mark.parametrize("kind", NOT_AWAITED_BY_ASYNCIO)
async def test_callback_that_asyncio_does_not_await_serves(kind: str) -> None:
    await check_serves_twice(sluiceway, kind)


@pytest.mark.parametrize("kind", ["coroutine function", "function that returns a future", "returns another awaitable"])
async def test_callback_of_unix_server_serves(kind: str, unix_path: str) -> None:
    async with await sluiceway.start_unix_server(CALLABLES[kind], unix_path):
        reader, writer = await sluiceway.open_unix_connection(unix_path)
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("value", [5, "text", object()])
async def test_result_of_callback_that_is_not_awaitable_is_ignored(value: Any) -> None:
    def handle(reader: Any, writer: Any) -> Any:
        writer.close()
        return value

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_callback_gets_reader_and_writer_of_public_classes() -> None:
    classes: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def handle(reader: Any, writer: Any) -> None:
        classes.set_result((type(reader), type(writer)))
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        _, writer = await sluiceway.open_connection(*server_address(server))
        assert await classes == (sluiceway.StreamReader, sluiceway.StreamWriter)
        writer.close()
        await writer.wait_closed()
