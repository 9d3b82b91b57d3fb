"""Two exceptions of a signal handler, at the end of a connection and in its repetition, keep no call waiting."""

import asyncio
import contextlib
import itertools
import operator
import os
import types
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._connection.connection import Connection
from support.certificates import Certificates
from support.connections import server_address
from support.interrupts import Interrupt
from support.scheduling import wait_until
from support.timeouts import PEER_TIMEOUT

PACKAGE = os.path.dirname(sluiceway.__file__) + os.sep


def in_package(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith(PACKAGE)


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


def fail(transport: Any) -> None:
    """Do what the TLSSender and the TLSReceiver do after an exception of a signal handler."""
    transport.failed(ConnectionAbortedError("in a signal handler"))


@pytest.mark.parametrize("end", [fail, operator.methodcaller("abort")], ids=["failed", "abort"])
async def test_exception_at_each_place_of_an_abort_keeps_no_close_waiting(
    end: Callable[[Any], None], tls: Certificates, loop_errors: list[dict[str, Any]]
) -> None:
    async def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        for number in itertools.count():
            _, writer = await sluiceway.open_connection(
                *server_address(server), ssl=tls.client_context, server_hostname="localhost"
            )
            transport: Any = writer.transport
            interrupt = Interrupt(number, TimeoutError, in_package)
            with contextlib.suppress(TimeoutError), interrupt.active():
                end(transport)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(writer.wait_closed(), PEER_TIMEOUT)
            if not interrupt.at:
                break
    assert number > 5
    assert loop_errors == []
