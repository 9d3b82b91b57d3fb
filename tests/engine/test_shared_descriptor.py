"""W9: writes are not corked once the program has the descriptor, so that its own writes keep their order."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import (
    PeerConnection,
    loops_with_immediate_wakeup,
    open_connections,
    receive_available,
    run_in_poller_step,
)
from sluiceway._transports.engine_choice import ENGINE
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


# Each takes a transport and returns a function that writes to its descriptor.
WritersByName = dict[str, Callable[[Any], Callable[[bytes], Any]]]
DESCRIPTOR_WRITERS: WritersByName = {
    "fileno": lambda transport: write_to_descriptor(transport.get_extra_info("socket").fileno()),
    "dup": lambda transport: write_to_duplicate(transport.get_extra_info("socket")),
}
PRIVATE_WRITERS: WritersByName = {
    "socket of the wrapper": lambda transport: transport.get_extra_info("socket")._sock.send,
    "socket of the transport": lambda transport: transport._sock.send,
    "number of the transport": lambda transport: write_to_descriptor(transport._sock_fd),
}


# The sockets of uvloop's own transports have no shutdown(), and no private attributes of asyncio's.
loops_with_sockets_of_asyncio = pytest.mark.loops(
    "asyncio", "debug", "eager", *(["uvloop"] if ENGINE == "epoll" else [])
)


async def received_before_end_of_step(connection: PeerConnection, receive: Callable[[RawPeer], bytes]) -> bytes:
    """Write in a step of the poller; return what ``receive(peer)`` returns before the step ends."""

    async def step() -> bytes:
        connection.writer.write(b"at once")
        return receive(connection.peer)

    arrived: bytes = await run_in_poller_step(connection, step)
    return arrived


@pytest.mark.parametrize("method", DESCRIPTOR_WRITERS)
async def test_write_precedes_a_later_write_to_the_descriptor(raw_peers: RawPeers, method: str):
    await assert_writes_arrive_in_order(raw_peers, DESCRIPTOR_WRITERS[method])


@loops_with_sockets_of_asyncio
@pytest.mark.parametrize("method", PRIVATE_WRITERS)
async def test_write_precedes_a_later_write_to_the_private_socket(raw_peers: RawPeers, method: str):
    await assert_writes_arrive_in_order(raw_peers, PRIVATE_WRITERS[method])


async def assert_writes_arrive_in_order(
    raw_peers: RawPeers, writer_to_descriptor: Callable[[Any], Callable[[bytes], Any]]
) -> None:
    [connection] = await open_connections(raw_peers)
    write_beside = writer_to_descriptor(connection.transport)

    async def step():
        connection.writer.write(b"by the writer, ")
        await connection.writer.drain()
        write_beside(b"by its descriptor")

    await run_in_poller_step(connection, step)
    assert connection.peer.receive(32) == b"by the writer, by its descriptor"
    await connection.close()


async def test_corked_write_is_sent_before_fileno_returns(raw_peers: RawPeers):
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


@loops_with_sockets_of_asyncio
async def test_corked_write_is_sent_before_shutdown_of_the_socket(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    sock = connection.writer.get_extra_info("socket")

    async def step():
        connection.writer.write(b"last")
        sock.shutdown(socket.SHUT_WR)

    await run_in_poller_step(connection, step)
    assert connection.peer.receive_rest() == b"last"
    await connection.close()


@pytest.mark.engine_only
@loops_with_immediate_wakeup
async def test_socket_options_and_names_do_not_end_corking(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    sock = connection.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    assert sock.getpeername() == connection.writer.get_extra_info("peername")
    assert sock.getsockname() == connection.writer.get_extra_info("sockname")
    for described in (sock, connection.transport, connection.writer, connection.writer._protocol):
        assert repr(described)
    assert await received_before_end_of_step(connection, receive_available) == b""
    assert connection.peer.receive(7) == b"at once"
    await connection.close()


async def test_write_to_a_socket_given_as_sock_is_not_corked(raw_peers: RawPeers):
    listener = raw_peers.listen()
    sock = socket.create_connection(listener.address)
    reader, writer = await sluiceway.open_connection(sock=sock)
    connection = PeerConnection(reader, writer, listener.accept())
    assert await received_before_end_of_step(connection, lambda peer: peer.receive(7)) == b"at once"
    await connection.close()


async def test_write_to_a_unix_socket_given_as_sock_is_not_corked():
    ours, theirs = socket.socketpair()
    reader, writer = await sluiceway.open_unix_connection(sock=ours)
    connection = PeerConnection(reader, writer, RawPeer(theirs))
    assert await received_before_end_of_step(connection, lambda peer: peer.receive(7)) == b"at once"
    await connection.close()
    theirs.close()


# The second size is encrypted as several records, which are sent by another code path.
@pytest.mark.parametrize("size", [7, 40_000])
@pytest.mark.parametrize("shared_by", ["fileno", "sock="])
async def test_tls_records_to_a_shared_descriptor_are_not_corked(
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
        return peer.receive(size + 1)

    task = asyncio.create_task(handle())
    await wait_until(lambda: reader._waiter is not None)
    manual_tls.send(b"!")
    assert len(await task) > size
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.engine_only
@pytest.mark.loops("asyncio", "debug", "eager")
async def test_second_stream_on_the_same_socket_raises_runtime_error(raw_peers: RawPeers):
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
