"""S10: the Server object: its attributes, its methods and ``async with``."""

import asyncio
import contextlib
import errno
import os
import socket
import types
from typing import Any
from unittest import mock

import pytest

import sluiceway
from serving.handlers import echo_lines, read_to_eof
from sluiceway._log import logger
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


async def start(streams: types.ModuleType = sluiceway, **options: Any) -> Any:
    return await streams.start_server(read_to_eof, "127.0.0.1", 0, **options)


def is_refused(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


async def test_server_is_instance_of_asyncio_server() -> None:
    async with await start() as server:
        assert isinstance(server, sluiceway.Server)
        assert isinstance(server, asyncio.Server)
        assert isinstance(server, asyncio.AbstractServer)


async def test_close_stops_serving_and_empties_sockets(streams: types.ModuleType) -> None:
    server = await start(streams)
    address = server_address(server)
    assert server.get_loop() is asyncio.get_running_loop()
    assert server.is_serving()
    assert len(server.sockets) == 1
    assert server.sockets[0].family == socket.AF_INET
    assert address[1] != 0
    server.close()
    assert not server.is_serving()
    assert tuple(server.sockets) == ()
    await server.wait_closed()
    assert is_refused(address)
    server.close()


async def test_sockets_attribute_has_no_methods_that_change_sockets() -> None:
    async with await start() as server:
        (sock,) = server.sockets
        assert not hasattr(sock, "accept")
        assert not hasattr(sock, "close")
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_repr_shows_sockets() -> None:
    server = await start()
    assert str(server_address(server)[1]) in repr(server)
    server.close()
    assert "sockets=()" in repr(server)
    await server.wait_closed()


async def test_second_start_serving_has_no_effect(streams: types.ModuleType) -> None:
    server = await start(streams)
    await server.start_serving()
    assert server.is_serving()
    server.close()
    await server.wait_closed()


async def test_start_serving_of_closed_server_raises_runtime_error() -> None:
    server = await start()
    host, port = server_address(server)
    server.close()
    with pytest.raises(RuntimeError, match=f"is closed; it listened on {host}:{port}$"):
        await server.start_serving()
    with pytest.raises(RuntimeError, match=f"is closed; it listened on {host}:{port}$"):
        await server.serve_forever()


async def test_start_serving_of_server_that_never_listened_raises_runtime_error() -> None:
    server = await start(start_serving=False)
    server.close()
    with pytest.raises(RuntimeError, match=r"is closed; it listened on no address$"):
        await server.start_serving()


@pytest.mark.parametrize("call", ["start_serving", "serve_forever"])
async def test_failed_listen_leaves_the_server_not_serving_and_is_repeated(call: str) -> None:
    class RefusingSocket(socket.socket):
        """A socket on which listen() fails as often as ``refusals`` says."""

        refusals = 1

        def listen(self, backlog: int = 100, /) -> None:
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EADDRINUSE, "address already in use")
            super().listen(backlog)

    sock = RefusingSocket()
    sock.bind(("127.0.0.1", 0))
    server = await sluiceway.start_server(echo_lines, sock=sock, start_serving=False)
    with pytest.raises(OSError, match="address already in use"):
        await getattr(server, call)()
    assert not server.is_serving()
    await server.start_serving()
    assert server.is_serving()
    reader, writer = await sluiceway.open_connection(*server_address(server))
    writer.write(b"line\n")
    assert await reader.readline() == b"line\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_cancelled_serve_forever_closes_server(streams: types.ModuleType) -> None:
    server = await start(streams, start_serving=False)
    address = server_address(server)
    serving = asyncio.create_task(server.serve_forever())
    for _ in range(5):
        await asyncio.sleep(0)
    assert server.is_serving()
    _, writer = await streams.open_connection(*address)
    writer.close()
    await writer.wait_closed()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert not server.is_serving()
    assert is_refused(address)


def asyncio_keeps_connections(loop: str) -> bool:
    """Return whether the connections of a cancelled serve_forever() stay open. Later versions of 3.13 may differ."""
    return loop == "uvloop" or "close_clients" not in asyncio.Server.serve_forever.__code__.co_names


@pytest.mark.reference_fails("S11", "the connection stays open", when=asyncio_keeps_connections, run=False)
@pytest.mark.parametrize("end", ["cancel", "close"])
async def test_end_of_serve_forever_closes_connections(streams: types.ModuleType, end: str) -> None:
    """A handler that waits for an idle client would delay the end of the program after Ctrl-C."""
    server = await streams.start_server(echo_lines, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve_forever())
    reader, writer = await streams.open_connection(*server_address(server))
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    if end == "cancel":
        serving.cancel()
    else:
        server.close()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    await server.wait_closed()


@pytest.mark.reference_fails("S10", "uvloop waits without end", when=lambda loop: loop == "uvloop", run=False)
async def test_close_cancels_serve_forever(streams: types.ModuleType) -> None:
    server = await start(streams)
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    server.close()
    with pytest.raises(asyncio.CancelledError):
        await serving
    await server.wait_closed()


async def test_close_cancels_serve_forever_even_if_the_log_raises(
    unix_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log may raise when close() reports that it cannot remove the path of the socket."""
    server = await sluiceway.start_unix_server(read_to_eof, unix_path)
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    monkeypatch.setattr(os, "unlink", mock.Mock(side_effect=PermissionError(errno.EACCES, "unlink")))
    monkeypatch.setattr(logger, "error", mock.Mock(side_effect=OSError(errno.EMFILE, "log")))
    with pytest.raises(OSError, match="log"):
        server.close()
    monkeypatch.undo()
    await run_iterations(10)
    assert serving.cancelled()
    await server.wait_closed()


async def test_second_serve_forever_raises_runtime_error(streams: types.ModuleType) -> None:
    server = await start(streams)
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already being awaited on serve_forever"):
        await server.serve_forever()
    assert server.is_serving()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_async_with_closes_server(streams: types.ModuleType) -> None:
    async with await start(streams) as server:
        address = server_address(server)
        assert server.is_serving()
    assert not server.is_serving()
    assert is_refused(address)


async def test_async_with_closes_server_after_error(streams: types.ModuleType) -> None:
    with pytest.raises(KeyError):
        async with await start(streams) as server:
            raise KeyError("inside")
    assert not server.is_serving()


async def test_cancelled_serve_forever_in_async_with_raises_cancelled_error() -> None:
    entered = asyncio.Event()

    async def main() -> None:
        async with await start() as server:
            entered.set()
            await server.serve_forever()

    task = asyncio.create_task(main())
    await entered.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_close_keeps_connections_open(streams: types.ModuleType) -> None:
    server = await streams.start_server(echo_lines, "127.0.0.1", 0)
    reader, writer = await streams.open_connection(*server_address(server))
    writer.write(b"before\n")
    assert await reader.readline() == b"before\n"
    server.close()
    writer.write(b"after\n")
    assert await reader.readline() == b"after\n"
    writer.close()
    await writer.wait_closed()
    await server.wait_closed()


async def test_handler_can_close_server() -> None:
    server: Any = None

    async def handle(reader: Any, writer: Any) -> None:
        server.close()
        writer.write(b"closed\n")
        writer.close()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    address = server_address(server)
    reader, writer = await sluiceway.open_connection(*address)
    assert await reader.read() == b"closed\n"
    writer.close()
    await writer.wait_closed()
    await server.wait_closed()
    assert is_refused(address)


async def test_server_closed_during_accept_batch_closes_queued_connections(raw_peers: RawPeers) -> None:
    """A plain callback closes the server while further connections are in the accept queue."""
    server: Any = None
    served = 0

    def handle(reader: Any, writer: Any) -> None:
        nonlocal served
        served += 1
        server.close()
        writer.close()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    peers = [raw_peers.connect(server_address(server)) for _ in range(10)]
    for peer in peers:
        with contextlib.suppress(ConnectionResetError):
            assert await peer.in_thread(peer.receive_rest) == b""
    await server.wait_closed()
    assert served >= 1


async def test_close_clients_sends_buffered_data(raw_peers: RawPeers) -> None:
    connected = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(bytes(16 << 20) + b"the end")
        connected.set()
        await reader.read()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    peer = raw_peers.connect(server_address(server))
    await connected.wait()
    server.close()
    server.close_clients()
    assert (await peer.in_thread(peer.receive_rest)).endswith(b"the end")
    await server.wait_closed()


async def test_abort_clients_discards_buffered_data(raw_peers: RawPeers) -> None:
    connected = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(bytes(16 << 20))
        connected.set()
        await reader.read()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    raw_peers.connect(server_address(server), receive_buffer=4096)
    await connected.wait()
    server.close()
    server.abort_clients()
    await server.wait_closed()


@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
@pytest.mark.parametrize("secure", [False, True])
async def test_close_or_abort_clients_ends_connections_being_set_up(
    method: str, secure: bool, raw_peers: RawPeers, tls: Any
) -> None:
    """The call is made after any number of iterations: before the transport and before the handshake too."""
    for iterations in range(8):
        server = await sluiceway.start_server(read_to_eof, "127.0.0.1", 0, ssl=tls.server_context if secure else None)
        peers = [raw_peers.connect(server_address(server)) for _ in range(3)]
        for _ in range(iterations):
            await asyncio.sleep(0)
        getattr(server, method)()
        server.close()
        getattr(server, method)()
        await server.wait_closed()
        for peer in peers:
            with contextlib.suppress(ConnectionResetError):
                await peer.in_thread(peer.receive_rest)


@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
async def test_close_or_abort_clients_in_every_iteration_ends_all_connections(method: str, raw_peers: RawPeers) -> None:
    """The call is made between accept and transport too."""
    server = await sluiceway.start_server(read_to_eof, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    running = True

    def in_every_iteration() -> None:
        getattr(server, method)()
        if running:
            loop.call_soon(in_every_iteration)

    in_every_iteration()
    peers = [raw_peers.connect(server_address(server)) for _ in range(5)]
    try:
        for peer in peers:
            with contextlib.suppress(ConnectionResetError):
                assert await peer.in_thread(peer.receive_rest) == b""
    finally:
        running = False
    server.close()
    await server.wait_closed()


async def test_close_or_abort_clients_without_connections_has_no_effect() -> None:
    async with await start() as server:
        server.close_clients()
        server.abort_clients()
    server.close_clients()
    server.abort_clients()


async def test_server_on_ipv4_and_ipv6_serves_both() -> None:
    async with await sluiceway.start_server(echo_lines, ["127.0.0.1", "::1"], 0) as server:
        for sock in server.sockets:
            reader, writer = await sluiceway.open_connection(*sock.getsockname()[:2])
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()


async def test_error_of_listen_names_the_address() -> None:
    class RefusingSocket(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            raise OSError(errno.EADDRINUSE, "address already in use")

    sock = RefusingSocket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    with pytest.raises(OSError, match=rf"address already in use \(127\.0\.0\.1:{port}\)"):
        await sluiceway.start_server(read_to_eof, sock=sock)
    assert sock.fileno() == -1
