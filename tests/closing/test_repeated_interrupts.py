"""Two exceptions of a signal handler, at the end of a connection and in its repetition, keep no call waiting."""

import asyncio
from typing import Any

import pytest

import sluiceway
from sluiceway._connection.connection import Connection
from support.certificates import Certificates
from support.connections import server_address
from support.scheduling import wait_until
from support.timeouts import PEER_TIMEOUT


@pytest.mark.parametrize("over", ["plain", "tls"])
async def test_two_exceptions_at_end_of_connection_do_not_keep_close_waiting(
    over: str, tls: Certificates, monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    end_error = Connection.end_error
    raised: list[Any] = []

    def raise_twice(self: Any, cause: Exception | None) -> Any:
        if raised.count(self) < 2:
            raised.append(self)
            raise TimeoutError("in a signal handler")
        return end_error(self, cause)

    async def handle(_: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.close()

    monkeypatch.setattr(Connection, "end_error", raise_twice)
    server_options = {"ssl": tls.server_context} if over == "tls" else {}
    client_options = {"ssl": tls.client_context, "server_hostname": "localhost"} if over == "tls" else {}
    async with await sluiceway.start_server(handle, "127.0.0.1", 0, **server_options) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server), **client_options)
        assert await asyncio.wait_for(reader.read(), PEER_TIMEOUT) == b""
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), PEER_TIMEOUT)
        server.close()
        await asyncio.wait_for(server.wait_closed(), PEER_TIMEOUT)
    # The server waits no more for a connection whose transport was freed.
    await wait_until(lambda: len(raised) == 4)
    loop_errors.clear()
