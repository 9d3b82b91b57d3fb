"""S12: ``sock, transport._sock = transport._sock, None`` gives the socket to the program."""

import asyncio
import gc
from typing import Any

import pytest

import sluiceway
from support import loops
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, wait_until


async def test_socket_taken_out_of_transport_belongs_to_the_program(raw_peers: RawPeers):
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    writer.write(b"before ")
    transport: Any = writer.transport
    sock, transport._sock = transport._sock, None
    assert (transport._sock, transport._sock_fd) == (None, -1)
    with sock:
        sock.setblocking(True)
        await peer.in_thread(sock.sendall, b"after")
        peer.send(b"answer")
        assert await peer.in_thread(sock.recv, 6) == b"answer"
        writer.close()
        await writer.wait_closed()
        assert sock.fileno() >= 0
        assert await peer.in_thread(peer.receive, 12) == b"before after"


async def test_write_after_socket_was_taken_out_ends_the_connection(raw_peers: RawPeers):
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    listener.accept()
    transport: Any = writer.transport
    with transport._sock:
        transport._sock = None
        writer.write(b"lost")
        with pytest.raises(OSError, match="Bad file descriptor"):
            await reader.read()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await writer.wait_closed()


async def test_transport_without_its_socket_reads_no_more(raw_peers: RawPeers):
    """The callback, which takes the socket out, runs in connection_made(), before the transport starts to read."""
    taken: list[Any] = []

    def take_out(reader: Any, writer: Any) -> None:
        transport = writer.transport
        sock, transport._sock = transport._sock, None
        taken.extend((sock, writer))

    async with await sluiceway.start_server(take_out, "127.0.0.1", 0) as server:
        raw_peers.connect(server_address(server))
        await wait_until(lambda: taken)
        sock, writer = taken
        with sock:
            writer.transport.pause_reading()
            writer.transport.resume_reading()
            writer.close()
            await writer.wait_closed()


async def test_another_socket_cannot_be_put_into_transport(raw_peers: RawPeers):
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    transport: Any = writer.transport
    with pytest.raises(TypeError, match=r"_sock of this transport cannot be set to <socket.*; only None is accepted"):
        transport._sock = transport._sock
    with pytest.raises(TypeError, match=rf"_sock_fd of this transport cannot be set to -1; it is {transport._sock_fd}"):
        transport._sock_fd = -1
    with pytest.raises(TypeError, match=r"_server of this transport cannot be set to <.*; it is None"):
        transport._server = object()
    writer.close()
    await writer.wait_closed()


async def test_descriptor_of_socket_taken_out_is_free_for_the_loop(raw_peers: RawPeers):
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    peer = listener.accept()
    transport: Any = writer.transport
    sock, transport._sock = transport._sock, None
    reader, other = await sluiceway.open_connection(sock=sock)
    peer.send(b"line\n")
    assert await reader.readline() == b"line\n"
    for one in (writer, other):
        one.close()
        await one.wait_closed()


async def test_server_drops_connection_whose_transport_was_freed_without_its_socket(raw_peers: RawPeers):
    taken: list[Any] = []
    has_taken = asyncio.Event()

    async def handle(reader: Any, writer: Any) -> None:
        transport = writer.transport
        sock, transport._sock = transport._sock, None
        taken.append(sock)
        has_taken.set()

    async def handled() -> None:
        await has_taken.wait()
        await run_iterations(5)

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    raw_peers.connect(server_address(server))
    with pytest.warns(ResourceWarning, match="unclosed"):
        await handled()
    # Here, because the recorded warning refers to the connection.
    gc.collect()
    with taken[0]:
        server.close()
        waiting = asyncio.create_task(server.wait_closed())
        await run_iterations(5)
        assert waiting.done()


def test_transport_without_its_socket_is_closed_with_the_loop(loop_kind: str, raw_peers: RawPeers):
    listener = raw_peers.listen()

    async def take_out() -> Any:
        _, writer = await sluiceway.open_connection(*listener.address)
        transport: Any = writer.transport
        sock, transport._sock = transport._sock, None
        return writer, sock

    with loops.new_runner(loop_kind) as runner:
        writer, sock = runner.run(take_out())
    with sock:
        assert sock.fileno() >= 0
        assert writer.is_closing()
        writer.close()
