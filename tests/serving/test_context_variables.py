"""S14: each accepted connection runs in its own copy of the context that started its server, as in Python 3.15."""

import asyncio
import contextvars
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="unset")


@pytest.mark.parametrize("kind", ["plain", "tls"])
async def test_handler_sees_what_was_set_before_server_started(streams: Any, kind: str, tls: Certificates) -> None:
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        seen.set_result(name.get())
        writer.close()

    name.set("set")
    server_side = {} if kind == "plain" else {"ssl": tls.server_context}
    client_side = {} if kind == "plain" else {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with await streams.start_server(handle, "127.0.0.1", 0, **server_side) as server:
        name.set("another")
        reader, writer = await streams.open_connection(*server_address(server), **client_side)
        assert await seen == "set"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def visits(server: Any, count: int, **options: Any) -> None:
    for _ in range(count):
        reader, writer = await sluiceway.open_connection(*server_address(server), **options)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("kind", ["plain", "tls"])
@pytest.mark.parametrize("handler", ["function", "coroutine"])
async def test_what_one_connection_sets_no_other_sees(kind: str, handler: str, tls: Certificates) -> None:
    seen: list[str] = []

    def handle(reader: Any, writer: Any) -> None:
        seen.append(name.get())
        name.set("set by a connection")
        writer.close()

    async def handle_in_task(reader: Any, writer: Any) -> None:
        handle(reader, writer)

    name.set("set")
    server_side = {} if kind == "plain" else {"ssl": tls.server_context}
    client_side = {} if kind == "plain" else {"ssl": tls.client_context}
    callback = handle if handler == "function" else handle_in_task
    async with await sluiceway.start_server(callback, "127.0.0.1", 0, **server_side) as server:
        await visits(server, 3, **client_side)
    assert seen == ["set"] * 3
    assert name.get() == "set"


async def test_function_and_task_of_one_connection_share_what_the_function_sets() -> None:
    seen: list[str] = []

    def handle(reader: Any, writer: Any) -> Any:
        name.set("set by the function")
        return in_task(writer)

    async def in_task(writer: Any) -> None:
        seen.append(name.get())
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        await visits(server, 1)
    assert seen == ["set by the function"]


async def test_server_started_later_uses_the_context_that_made_it() -> None:
    seen: list[str] = []

    async def handle(reader: Any, writer: Any) -> None:
        seen.append(name.get())
        writer.close()

    name.set("made")
    server = await sluiceway.start_server(handle, "127.0.0.1", 0, start_serving=False)
    name.set("started")
    async with server:
        await server.start_serving()
        name.set("connected")
        await visits(server, 1)
    assert seen == ["made"]
