"""Connections that end while a server sets them up: in each iteration of the loop from the accept to the handler."""

import asyncio
import functools
import itertools
import os
import types
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._asyncio.protocol import StreamReaderProtocol
from sluiceway._asyncio.server_connection import ServerConnection
from support.certificates import Certificates
from support.connections import server_address
from support.interrupts import HandlerCall
from support.raw_peer import Address, RawPeers
from support.scheduling import run_iterations

# A loop of asyncio or uvloop needs fewer from the accept to the first step of the handler without TLS.
ITERATIONS = range(6)
PACKAGE = os.path.dirname(sluiceway.__file__) + os.sep


def ask_for_each_transport(loop: Any) -> None:
    """Let ``loop`` create the transport of an accepted socket in a task, as a loop that is no loop of asyncio does."""
    loop.connect_accepted_socket = functools.partial(loop.connect_accepted_socket)


async def start(
    handle: Callable[[Any, Any], Any], kind: str, unix_path: str, certificates: Certificates
) -> tuple[Any, Address]:
    if kind == "unix":
        return await sluiceway.start_unix_server(handle, unix_path), unix_path
    context = certificates.server_context if kind == "tls" else None
    server = await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=context)
    return server, server_address(server)


def call_after_accept(server: Any, iterations: int, callback: Callable[[], object]) -> asyncio.Future[None]:
    """Call ``callback`` after ``iterations`` iterations of the loop since ``server`` accepted its first connection."""
    loop = asyncio.get_running_loop()
    called = loop.create_future()
    left = iterations

    def count() -> None:
        nonlocal left
        if left == 0 and server._connections:
            callback()
            called.set_result(None)
            return
        if server._connections:
            left -= 1
        elif left < iterations:
            # The connection has ended already.
            called.set_result(None)
            return
        loop.call_soon(count)

    count()
    return called


async def received_if_called(
    server: Any, address: Address, raw_peers: RawPeers, iterations: int, callback: Callable[[], object]
) -> bytes:
    """Connect a peer, call ``callback`` during the setup, and close ``server``. Return what the peer has received."""
    called = call_after_accept(server, iterations, callback)
    peer = raw_peers.connect(address)
    await called
    await run_iterations(6)
    # If ``callback`` has not ended the connection, it is open.
    server.close_clients()
    server.close()
    received: bytes = await peer.in_thread(peer.receive_rest)
    peer.sock.close()
    await server.wait_closed()
    return received


@pytest.mark.parametrize("asked", [False, True], ids=["", "asked"])
@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_handler_of_connection_closed_during_setup_starts_only_on_open_transport(
    method: str,
    kind: str,
    asked: bool,
    unix_path: str,
    tls: Certificates,
    raw_peers: RawPeers,
    loop_errors: list[dict[str, Any]],
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        # Raises RuntimeError if a transport of uvloop is closed.
        writer.transport.set_write_buffer_limits(10)
        writer.write(b"x")
        await reader.read()
        writer.close()

    if asked:
        ask_for_each_transport(asyncio.get_running_loop())
    for iterations in ITERATIONS:
        server, address = await start(handle, kind, unix_path, tls)
        called = call_after_accept(server, iterations, getattr(server, method))
        peer = raw_peers.connect(address)
        await called
        server.close()
        assert await peer.in_thread(peer.receive_rest) in (b"", b"x")
        peer.sock.close()
        await server.wait_closed()
    assert loop_errors == []


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_cancelled_setup_task_ends_connection_and_the_reads_of_its_handler(
    kind: str, unix_path: str, tls: Certificates, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        writer.write(b"x")
        await writer.drain()
        assert await reader.read() == b""
        writer.write(b"y")
        writer.close()

    def cancel() -> None:
        for task in asyncio.all_tasks():
            if task.get_name() == "sluiceway accepted connection":
                task.cancel()

    ask_for_each_transport(asyncio.get_running_loop())
    for iterations in ITERATIONS:
        server, address = await start(handle, kind, unix_path, tls)
        assert await received_if_called(server, address, raw_peers, iterations, cancel) in (b"", b"x")
    assert loop_errors == []


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls"])
@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_no_handler_is_called_after_all_tasks_were_cancelled_during_setup(
    kind: str, unix_path: str, tls: Certificates, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    events: list[str] = []

    def handle(_: Any, writer: Any) -> None:
        events.append("handler")
        writer.close()

    def cancel() -> None:
        for task in asyncio.all_tasks() - {current}:
            events.append("cancellation")
            task.cancel()

    current = asyncio.current_task()
    ask_for_each_transport(asyncio.get_running_loop())
    sequences = []
    for iterations in ITERATIONS:
        events.clear()
        server, address = await start(handle, kind, unix_path, tls)
        assert await received_if_called(server, address, raw_peers, iterations, cancel) == b""
        sequences.append(list(events))
    # On the engine, no task sets a connection up.
    assert sluiceway.ENGINE == "epoll" or ["cancellation"] in sequences
    assert ["cancellation", "handler"] not in sequences
    assert loop_errors == []


def in_package(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith(PACKAGE)


@pytest.mark.parametrize("asked", [False, True], ids=["", "asked"])
@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_signal_handler_ends_connection_whose_setup_it_interrupts(
    method: str,
    kind: str,
    asked: bool,
    tls: Certificates,
    raw_peers: RawPeers,
    monkeypatch: pytest.MonkeyPatch,
    loop_errors: list[dict[str, Any]],
) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    def with_signal(method: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            with call.active():
                method(*arguments)
            started.set()

        return run

    started = asyncio.Event()
    monkeypatch.setattr(ServerConnection, "start", with_signal(ServerConnection.start))
    monkeypatch.setattr(StreamReaderProtocol, "connection_made", with_signal(StreamReaderProtocol.connection_made))
    if asked:
        ask_for_each_transport(asyncio.get_running_loop())
    for number in itertools.count():
        server, address = await start(handle, kind, "", tls)
        call = HandlerCall(number, getattr(server, method), in_package)
        peer = raw_peers.connect(address)
        await started.wait()
        await run_iterations(6)
        started.clear()
        if call.at:
            server.close()
            assert await peer.in_thread(peer.receive_rest) == b"", call.at
            await server.wait_closed()
            await asyncio.gather(*server.handlers)
        peer.sock.close()
        if not call.at:
            server.close()
            break
    assert number > 3
    assert loop_errors == []
