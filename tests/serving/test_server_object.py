"""S10: the Server object: its attributes, its life, and its async with."""

import asyncio
import contextlib
import socket
import types
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.raw_peer import RawPeers


async def until_the_end(reader: Any, writer: Any) -> None:
    await reader.read()
    writer.close()


async def started(streams: types.ModuleType = sluiceway, **options: Any) -> Any:
    return await streams.start_server(until_the_end, "127.0.0.1", 0, **options)


def refused(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


async def test_it_is_a_server_for_isinstance() -> None:
    async with await started() as server:
        assert isinstance(server, sluiceway.Server)
        assert isinstance(server, asyncio.Server)
        assert isinstance(server, asyncio.AbstractServer)


async def test_what_it_answers_while_open_and_closed(streams: types.ModuleType) -> None:
    server = await started(streams)
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
    assert refused(address)
    server.close()


async def test_its_sockets_are_to_look_at_only() -> None:
    async with await started() as server:
        (sock,) = server.sockets
        assert not hasattr(sock, "accept")
        assert not hasattr(sock, "close")
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_its_repr_shows_the_sockets() -> None:
    server = await started()
    assert str(server_address(server)[1]) in repr(server)
    server.close()
    assert "sockets=()" in repr(server)
    await server.wait_closed()


async def test_start_serving_again_changes_nothing(streams: types.ModuleType) -> None:
    server = await started(streams)
    await server.start_serving()
    assert server.is_serving()
    server.close()
    await server.wait_closed()


async def test_start_serving_of_a_closed_server() -> None:
    server = await started(start_serving=False)
    server.close()
    with pytest.raises(RuntimeError, match="is closed"):
        await server.start_serving()
    with pytest.raises(RuntimeError, match="is closed"):
        await server.serve_forever()


async def test_serve_forever_starts_and_cancelling_closes(streams: types.ModuleType) -> None:
    server = await started(streams, start_serving=False)
    address = server_address(server)
    forever = asyncio.create_task(server.serve_forever())
    for _ in range(5):
        await asyncio.sleep(0)
    assert server.is_serving()
    _, writer = await streams.open_connection(*address)
    writer.close()
    await writer.wait_closed()
    forever.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forever
    assert not server.is_serving()
    assert refused(address)


@pytest.mark.reference_fails("S10", "uvloop waits for ever", when=lambda loop: loop == "uvloop", run=False)
async def test_close_ends_serve_forever(streams: types.ModuleType) -> None:
    server = await started(streams)
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    server.close()
    with pytest.raises(asyncio.CancelledError):
        await forever
    await server.wait_closed()


async def test_serve_forever_twice(streams: types.ModuleType) -> None:
    server = await started(streams)
    forever = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already being awaited on serve_forever"):
        await server.serve_forever()
    assert server.is_serving()
    forever.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forever


async def test_async_with_closes_and_waits(streams: types.ModuleType) -> None:
    async with await started(streams) as server:
        address = server_address(server)
        assert server.is_serving()
    assert not server.is_serving()
    assert refused(address)


async def test_async_with_and_an_error_inside(streams: types.ModuleType) -> None:
    with pytest.raises(KeyError):
        async with await started(streams) as server:
            raise KeyError("inside")
    assert not server.is_serving()


async def test_async_with_serve_forever_cancelled() -> None:
    up = asyncio.Event()

    async def main() -> None:
        async with await started() as server:
            up.set()
            await server.serve_forever()

    task = asyncio.create_task(main())
    await up.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_leaves_connections_open(streams: types.ModuleType) -> None:
    server = await streams.start_server(echo, "127.0.0.1", 0)
    reader, writer = await streams.open_connection(*server_address(server))
    writer.write(b"before\n")
    assert await reader.readline() == b"before\n"
    server.close()
    writer.write(b"after\n")
    assert await reader.readline() == b"after\n"
    writer.close()
    await writer.wait_closed()
    await server.wait_closed()


async def echo(reader: Any, writer: Any) -> None:
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_closing_from_a_handler() -> None:
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
    assert refused(address)


async def test_closed_in_the_batch_that_accepts(raw_peers: RawPeers) -> None:
    """A plain handler that closes the server: the rest of the queue is not served, nothing breaks."""
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


async def test_close_clients_sends_what_is_buffered(raw_peers: RawPeers) -> None:
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


async def test_abort_clients_does_not(raw_peers: RawPeers) -> None:
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


@pytest.mark.parametrize("end", ["close_clients", "abort_clients"])
@pytest.mark.parametrize("secure", [False, True])
async def test_ending_clients_that_were_just_accepted(end: str, secure: bool, raw_peers: RawPeers, tls: Any) -> None:
    """Before their transport or handshake is there: none is forgotten, at whatever turn it happens."""
    for turns in range(8):
        server = await sluiceway.start_server(until_the_end, "127.0.0.1", 0, ssl=tls.server_context if secure else None)
        peers = [raw_peers.connect(server_address(server)) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        getattr(server, end)()
        server.close()
        getattr(server, end)()
        await asyncio.wait_for(server.wait_closed(), 2)
        for peer in peers:
            with contextlib.suppress(ConnectionResetError):
                await peer.in_thread(peer.receive_rest)


@pytest.mark.parametrize("end", ["close_clients", "abort_clients"])
async def test_ending_clients_in_every_turn(end: str, raw_peers: RawPeers) -> None:
    """The same, from a callback that runs in each turn of the loop: between accepting and the transport too."""
    server = await sluiceway.start_server(until_the_end, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    going = True

    def in_every_turn() -> None:
        getattr(server, end)()
        if going:
            loop.call_soon(in_every_turn)

    in_every_turn()
    peers = [raw_peers.connect(server_address(server)) for _ in range(5)]
    try:
        for peer in peers:
            with contextlib.suppress(ConnectionResetError):
                assert await peer.in_thread(peer.receive_rest) == b""
    finally:
        going = False
    server.close()
    await asyncio.wait_for(server.wait_closed(), 5)


async def test_ending_clients_of_none() -> None:
    async with await started() as server:
        server.close_clients()
        server.abort_clients()
    server.close_clients()
    server.abort_clients()


async def test_a_dual_stack_server_serves_both() -> None:
    async with await sluiceway.start_server(echo, ["127.0.0.1", "::1"], 0) as server:
        for sock in server.sockets:
            reader, writer = await sluiceway.open_connection(*sock.getsockname()[:2])
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
