"""A protocol of the program that raises in eof_received() gets the error in connection_lost(), as with asyncio."""

import asyncio
import types
from typing import Any

import pytest

from support.certificates import Certificates
from support.connections import connected_pair


class FailingProtocol(asyncio.Protocol):
    """Passes only the end of the connection to ``previous``, the protocol of the writer."""

    def __init__(self, previous: Any) -> None:
        self._previous = previous
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def eof_received(self) -> None:
        raise ValueError("in eof_received()")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)
        self._previous.connection_lost(None)


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_error_of_eof_received_is_reported_and_passed_to_connection_lost(
    streams: types.ModuleType, tls: Certificates, secure: bool, loop_errors: list[dict[str, Any]]
) -> None:
    server: dict[str, Any] = {"ssl": tls.server_context} if secure else {}
    client: dict[str, Any] = {"ssl": tls.client_context, "server_hostname": "localhost"} if secure else {}
    async with connected_pair(streams, server=server, client=client) as ((_, writer), (_, peer)):
        protocol = FailingProtocol(writer.transport.get_protocol())
        writer.transport.set_protocol(protocol)
        peer.close()
        error = await protocol.lost
    assert str(error) == "in eof_received()"
    assert [context["exception"] for context in loop_errors] == [error]
    loop_errors.clear()
