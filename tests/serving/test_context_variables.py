"""A handler sees the context variables that were set where its server was started."""

import asyncio
import contextvars
from typing import Any

import pytest

from support.certificates import Certificates
from support.connections import server_address

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="unset")


@pytest.mark.parametrize("kind", ["plain", "tls"])
async def test_what_was_set_before(streams: Any, kind: str, tls: Certificates) -> None:
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
