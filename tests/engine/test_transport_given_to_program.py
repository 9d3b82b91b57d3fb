"""Writes of a step keep their order with what the program does on the transport or the socket itself.

On a loop's own transport, corked data is not part of the transport's buffer. Corking ends when the program gets access.
"""

import asyncio
import functools
import os
import sys
import time
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import (
    PeerConnection,
    abort_connections,
    loops_with_immediate_wakeup,
    open_connections,
    receive_available,
    run_in_poller_step,
    wait_for_readers,
)
from sluiceway._transports.engine_choice import ENGINE
from support.certificates import Certificates
from support.connections import server_address
from support.raw_peer import RawPeers

WAYS = {
    "writer.transport": lambda connection: connection.writer.transport,
    "writer._transport": lambda connection: connection.writer._transport,
    "reader._transport": lambda connection: connection.reader._transport,
    "protocol._transport": lambda connection: connection.writer._protocol._transport,
}


def write_to_socket(connection: PeerConnection, data: bytes) -> None:
    os.write(connection.writer.get_extra_info("socket").fileno(), data)


async def write_in_turn(connection: PeerConnection, write_directly: Any) -> None:
    connection.writer.write(b"corked ")
    write_directly(b"direct ")
    connection.writer.write(b"later")


@pytest.mark.parametrize("way", WAYS)
async def test_write_of_exposed_transport_follows_the_writes_of_the_step(raw_peers: RawPeers, way: str):
    [connection] = await open_connections(raw_peers)
    direct = functools.partial(write_in_turn, connection, lambda data: WAYS[way](connection).write(data))
    await run_in_poller_step(connection, direct)
    assert connection.peer.receive(19) == b"corked direct later"
    await connection.close()


async def test_write_to_exposed_socket_follows_the_writes_of_the_step(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    await run_in_poller_step(
        connection, functools.partial(write_in_turn, connection, functools.partial(write_to_socket, connection))
    )
    assert connection.peer.receive(19) == b"corked direct later"
    await connection.close()


@pytest.mark.parametrize("way", WAYS)
async def test_transport_exposed_before_the_step_writes_in_order(raw_peers: RawPeers, way: str):
    [connection] = await open_connections(raw_peers)
    transport = WAYS[way](connection)
    await run_in_poller_step(connection, functools.partial(write_in_turn, connection, transport.write))
    assert connection.peer.receive(19) == b"corked direct later"
    await connection.close()


@loops_with_immediate_wakeup
async def test_exposed_transport_of_the_loop_is_not_corked_any_more(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def write() -> bytes:
        connection.writer.write(b"a")
        return receive_available(connection.peer)

    assert await run_in_poller_step(connection, write) == b""
    assert connection.peer.receive(1) == b"a"
    assert connection.writer.transport is not None
    # The engine's transport is not the loop's.
    assert await run_in_poller_step(connection, write) == (b"" if ENGINE == "epoll" else b"a")
    await connection.close()


async def test_transport_kept_by_replaced_connection_made_writes_in_order(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
):
    kept: list[Any] = []
    original = sluiceway.StreamReaderProtocol.connection_made

    def keep(self: sluiceway.StreamReaderProtocol, transport: asyncio.BaseTransport) -> None:
        kept.append(transport)
        original(self, transport)

    monkeypatch.setattr(sluiceway.StreamReaderProtocol, "connection_made", keep)
    [connection] = await open_connections(raw_peers)
    await run_in_poller_step(connection, functools.partial(write_in_turn, connection, kept[0].write))
    assert connection.peer.receive(19) == b"corked direct later"
    await connection.close()


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_exception_handler_that_gets_the_transport_writes_after_the_step(raw_peers: RawPeers):
    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        context["transport"].write(b"reported")

    async def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.write(await reader.readexactly(7))
        raise ZeroDivisionError

    asyncio.get_running_loop().set_exception_handler(report)
    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    peer = raw_peers.connect(server_address(server))
    peer.send(b"failed ")
    assert await peer.in_thread(peer.receive_rest) == b"failed reported"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("ending", ["close_clients", "abort_clients"])
async def test_server_that_ends_its_clients_in_a_step_sends_the_writes_of_the_step(raw_peers: RawPeers, ending: str):
    async def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.write(await reader.readexactly(6))
        getattr(server, ending)()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    peer = raw_peers.connect(server_address(server))
    # The handler reads before its request arrives.
    await asyncio.sleep(0)
    while not server._connections:
        await asyncio.sleep(0)
    peer.send(b"answer")
    assert await peer.in_thread(peer.receive, 6) == b"answer"
    server.close()
    await server.wait_closed()


async def test_writes_before_an_exception_of_the_task_are_sent(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)

    async def fail() -> None:
        connection.writer.write(b"before")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_in_poller_step(connection, fail)
    assert connection.peer.receive(6) == b"before"
    await connection.close()


@loops_with_immediate_wakeup
async def test_callback_of_the_loop_runs_before_many_slow_steps(raw_peers: RawPeers):
    """Steps run for at most 2 ms, and one step more, until the loop runs its other callbacks."""
    connections = await open_connections(raw_peers, 12)
    order: list[str] = []

    async def handle(connection: PeerConnection) -> None:
        await connection.reader.readexactly(1)
        if not order:
            asyncio.get_running_loop().call_soon(order.append, "callback")
        order.append("step")
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass

    tasks = [asyncio.create_task(handle(connection)) for connection in connections]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"!")
    await asyncio.gather(*tasks)
    assert order.index("callback") <= 4
    await abort_connections(connections)


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_task_does_not_run_inside_tls_of_the_loop(tls: Certificates):
    """A program that upgrades the transport itself puts asyncio's TLS below the reader."""

    def inside() -> list[str]:
        frame, found = sys._getframe(), []
        while frame is not None:
            found.append(frame.f_code.co_filename)
            frame = frame.f_back
        return [name for name in found if name.endswith("sslproto.py")]

    async def read(reader: sluiceway.StreamReader) -> tuple[bytes, list[str]]:
        return await reader.readline(), inside()

    async def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.write(await reader.readline())
        await reader.read()
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        reader, writer = await sluiceway.open_connection(*server_address(server))
        transport = writer.transport
        loop = asyncio.get_running_loop()
        encrypted = await loop.start_tls(
            transport, transport.get_protocol(), tls.client_context, server_hostname="localhost"
        )
        assert encrypted is not None
        reading = asyncio.create_task(read(reader))
        while reader._waiter is None:
            await asyncio.sleep(0)
        encrypted.write(b"line\n")
        assert await reading == (b"line\n", [])
        encrypted.abort()
        writer.close()
