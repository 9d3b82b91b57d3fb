"""Contract W9: a descriptor that the program has is written to in the order of the program, so no write is corked."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import PeerConnection, loops_that_step, open_connections, run_in_poller_step
from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until


def write_to_duplicate(sock: Any) -> Callable[[bytes], Any]:
    duplicate = sock.dup()

    def write(data: bytes) -> None:
        with duplicate:
            duplicate.send(data)

    return write


def write_to_descriptor(descriptor: int) -> Callable[[bytes], Any]:
    return lambda data: os.write(descriptor, data)


# From a transport: what writes to the descriptor that is returned.
WAYS_TO_THE_DESCRIPTOR: dict[str, Callable[[Any], Callable[[bytes], Any]]] = {
    "fileno": lambda transport: write_to_descriptor(transport.get_extra_info("socket").fileno()),
    "dup": lambda transport: write_to_duplicate(transport.get_extra_info("socket")),
    "socket of the wrapper": lambda transport: transport.get_extra_info("socket")._sock.send,
    "socket of the transport": lambda transport: transport._sock.send,
    "number of the transport": lambda transport: write_to_descriptor(transport._sock_fd),
}


def in_kernel(peer: RawPeer) -> bytes:
    """What has arrived at the peer."""
    peer.sock.setblocking(False)
    try:
        return peer.sock.recv(1 << 20, socket.MSG_PEEK)
    except BlockingIOError:
        return b""
    finally:
        peer.sock.settimeout(10)


async def written_in_step(connection: PeerConnection) -> bytes:
    """What of a write has arrived before the end of the step that has written it."""

    async def step() -> bytes:
        connection.writer.write(b"at once")
        return in_kernel(connection.peer)

    arrived: bytes = await run_in_poller_step(connection, step)
    return arrived


@pytest.mark.parametrize("way", WAYS_TO_THE_DESCRIPTOR)
async def test_write_precedes_later_write_to_descriptor_obtained_before(raw_peers: RawPeers, way: str):
    [connection] = await open_connections(raw_peers)
    write_beside = WAYS_TO_THE_DESCRIPTOR[way](connection.transport)

    async def step():
        connection.writer.write(b"by the writer, ")
        await connection.writer.drain()
        write_beside(b"by its descriptor")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(32) == b"by the writer, by its descriptor"
    await connection.close()


async def test_corked_write_is_sent_before_descriptor_is_returned(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    sock = connection.writer.get_extra_info("socket")

    async def step():
        connection.writer.write(b"corked, ")
        descriptor = sock.fileno()
        os.write(descriptor, b"beside, ")
        connection.writer.write(b"not corked, ")
        os.write(descriptor, b"beside")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(34) == b"corked, beside, not corked, beside"
    await connection.close()


async def test_corked_write_is_sent_before_shutdown_of_socket(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    sock = connection.writer.get_extra_info("socket")

    async def step():
        connection.writer.write(b"last")
        sock.shutdown(socket.SHUT_WR)

    await run_in_poller_step(connection, step)
    assert connection.peer.receive_rest() == b"last"
    await connection.close()


@loops_that_step
async def test_option_and_name_of_socket_keep_corking(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    sock = connection.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    assert sock.getpeername() == connection.writer.get_extra_info("peername")
    assert sock.getsockname() == connection.writer.get_extra_info("sockname")
    for described in (sock, connection.transport, connection.writer, connection.writer._protocol):
        assert repr(described)
    assert await written_in_step(connection) == b""
    assert connection.peer.receive(7) == b"at once"
    await connection.close()


async def test_write_to_socket_of_program_is_sent_at_once(raw_peers: RawPeers):
    listener = raw_peers.listen()
    sock = socket.create_connection(listener.address)
    reader, writer = await sluiceway.open_connection(sock=sock)
    connection = PeerConnection(reader, writer, listener.accept())
    assert await written_in_step(connection) == b"at once"
    await connection.close()


async def test_write_to_unix_socket_of_program_is_sent_at_once(raw_peers: RawPeers):
    ours, theirs = socket.socketpair()
    reader, writer = await sluiceway.open_unix_connection(sock=ours)
    connection = PeerConnection(reader, writer, RawPeer(theirs))
    assert await written_in_step(connection) == b"at once"
    await connection.close()
    theirs.close()


# The second size is encrypted as several records, which take another way to the socket.
@pytest.mark.parametrize("size", [7, 40_000])
@pytest.mark.parametrize("shared_by", ["fileno", "sock="])
async def test_records_are_sent_at_once_to_shared_descriptor(
    raw_peers: RawPeers, tls: Certificates, size: int, shared_by: str
):
    listener = raw_peers.listen()
    target: dict[str, Any] = {"host": listener.address[0], "port": listener.address[1]}
    if shared_by == "sock=":
        target = {"sock": socket.create_connection(listener.address)}
    opening = asyncio.create_task(
        sluiceway.open_connection(**target, ssl=tls.client_context, server_hostname="localhost")
    )
    peer = await asyncio.to_thread(listener.accept)
    manual_tls = ManualTLS(peer, tls.server_context, server_side=True)
    await asyncio.to_thread(manual_tls.do_handshake)
    reader, writer = await opening
    if shared_by == "fileno":
        writer.get_extra_info("socket").fileno()

    async def handle() -> bytes:
        await reader.readexactly(1)
        writer.write(bytes(size))
        return in_kernel(peer)

    task = asyncio.create_task(handle())
    await wait_until(lambda: reader._waiter is not None)
    manual_tls.send(b"!")
    assert len(await task) > size
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_second_stream_on_same_socket_is_refused(raw_peers: RawPeers):
    listener = raw_peers.listen()
    sock = socket.create_connection(listener.address)
    reader, writer = await sluiceway.open_connection(sock=sock)
    peer = listener.accept()
    with pytest.raises(RuntimeError, match="is used by transport"):
        await sluiceway.open_connection(sock=sock)
    peer.send(b"on")
    assert await reader.readexactly(2) == b"on"
    writer.close()
    await writer.wait_closed()
