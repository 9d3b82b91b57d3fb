"""Accepted TCP connections have TCP_NODELAY, as in asyncio, also if the program created the listening socket."""

import asyncio
import socket
from typing import Any

import pytest

from support.connections import server_address


@pytest.mark.parametrize("passed", [False, True], ids=["own socket", "socket of the program"])
async def test_accepted_connection_sends_without_delay(streams: Any, passed: bool) -> None:
    found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        option = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()
        found.set_result(option)

    where: dict[str, Any] = {"host": "127.0.0.1", "port": 0}
    if passed:
        # asyncio's transports set the option only if the socket object names the protocol.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.bind(("127.0.0.1", 0))
        where = {"sock": sock}
    async with await streams.start_server(handle, **where) as server:
        _, writer = await streams.open_connection(*server_address(server))
        assert await found
        writer.close()
        await writer.wait_closed()
