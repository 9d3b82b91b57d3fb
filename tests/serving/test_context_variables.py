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
async def test_handler_has_variable_set_before_server_start(streams: Any, kind: str, tls: Certificates) -> None:
    values: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        values.set_result(name.get())
        writer.close()

    name.set("set")
    server_side = {} if kind == "plain" else {"ssl": tls.server_context}
    client_side = {} if kind == "plain" else {"ssl": tls.client_context, "server_hostname": "localhost"}
    async with await streams.start_server(handle, "127.0.0.1", 0, **server_side) as server:
        name.set("another")
        reader, writer = await streams.open_connection(*server_address(server), **client_side)
        assert await values == "set"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def connect_repeatedly(server: Any, count: int, **options: Any) -> None:
    for _ in range(count):
        reader, writer = await sluiceway.open_connection(*server_address(server), **options)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("kind", ["plain", "tls"])
@pytest.mark.parametrize("handler", ["function", "coroutine"])
async def test_variable_set_by_connection_is_not_seen_by_others(kind: str, handler: str, tls: Certificates) -> None:
    values: list[str] = []

    def handle(reader: Any, writer: Any) -> None:
        values.append(name.get())
        name.set("set by a connection")
        writer.close()

    async def handle_in_task(reader: Any, writer: Any) -> None:
        handle(reader, writer)

    name.set("set")
    server_side = {} if kind == "plain" else {"ssl": tls.server_context}
    client_side = {} if kind == "plain" else {"ssl": tls.client_context}
    callback = handle if handler == "function" else handle_in_task
    async with await sluiceway.start_server(callback, "127.0.0.1", 0, **server_side) as server:
        await connect_repeatedly(server, 3, **client_side)
    assert values == ["set"] * 3
    assert name.get() == "set"


async def test_task_of_callback_has_variable_set_by_callback() -> None:
    values: list[str] = []

    def handle(reader: Any, writer: Any) -> Any:
        name.set("set by the function")
        return in_task(writer)

    async def in_task(writer: Any) -> None:
        values.append(name.get())
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        await connect_repeatedly(server, 1)
    assert values == ["set by the function"]


async def test_server_started_later_uses_context_that_created_it() -> None:
    values: list[str] = []

    async def handle(reader: Any, writer: Any) -> None:
        values.append(name.get())
        writer.close()

    name.set("made")
    server = await sluiceway.start_server(handle, "127.0.0.1", 0, start_serving=False)
    name.set("started")
    async with server:
        await server.start_serving()
        name.set("connected")
        await connect_repeatedly(server, 1)
    assert values == ["made"]
