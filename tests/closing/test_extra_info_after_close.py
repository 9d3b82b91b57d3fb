"""T5: get_extra_info() returns addresses, certificate and cipher after the connection was closed or lost."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations

TCP_NAMES = ("peername", "sockname")
TLS_NAMES = (*TCP_NAMES, "cipher", "peercert", "compression", "ssl_object", "sslcontext")

each_side = pytest.mark.parametrize("side", ["client", "server"])

Ending = Callable[[Any, Any], Awaitable[None]]


async def close(writer: Any, _far: Any) -> None:
    writer.close()


async def close_twice(writer: Any, _far: Any) -> None:
    writer.close()
    await asyncio.sleep(0)
    writer.close()


async def close_and_wait(writer: Any, far: Any) -> None:
    writer.close()
    far.close()
    await writer.wait_closed()


async def close_again_after_the_wait(writer: Any, far: Any) -> None:
    await close_and_wait(writer, far)
    writer.close()
    await writer.wait_closed()


async def abort(writer: Any, _far: Any) -> None:
    writer.transport.abort()


async def abort_and_wait(writer: Any, _far: Any) -> None:
    writer.transport.abort()
    writer.close()
    await writer.wait_closed()


async def close_transport(writer: Any, far: Any) -> None:
    writer.transport.close()
    far.close()
    await writer.wait_closed()


each_ending = pytest.mark.parametrize(
    "ending", [close, close_twice, close_and_wait, close_again_after_the_wait, abort, abort_and_wait, close_transport]
)


def extra_info(writer: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: writer.get_extra_info(name, "missing") for name in names}


@each_ending
@each_side
async def test_extra_info_of_tcp_is_unchanged_after_close(side: str, ending: Ending) -> None:
    """T5: the addresses of both sides stay readable."""
    async with connected_pair(sluiceway) as ((_, near), (_, far)):
        writer, other = (near, far) if side == "client" else (far, near)
        known = extra_info(writer, TCP_NAMES)
        assert known["peername"][0] == "127.0.0.1"
        await ending(writer, other)
        assert extra_info(writer, TCP_NAMES) == known
        await asyncio.sleep(0)
        assert extra_info(writer, TCP_NAMES) == known


async def test_writer_of_a_unix_transport_that_is_closed_already_has_no_addresses() -> None:
    """uvloop's transport raises AttributeError for them."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    lost = asyncio.Event()

    class Closed(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    transport, _ = await loop.create_unix_connection(Closed, sock=ours)
    transport.close()
    await lost.wait()
    await run_iterations(2)
    reader = sluiceway.StreamReader(loop=loop)
    writer = sluiceway.StreamWriter(transport, sluiceway.StreamReaderProtocol(reader, loop=loop), reader, loop)
    assert not any(writer.get_extra_info(name) for name in TCP_NAMES)
    theirs.close()


@pytest.mark.parametrize("read_before", [True, False])
@pytest.mark.parametrize("ending", [close_and_wait, abort_and_wait])
@each_side
async def test_addresses_of_unix_sockets_are_readable_after_close(
    unix_path: str, side: str, ending: Ending, read_before: bool
) -> None:
    """T5: on both sides, also if the program has not read them before."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handle(_reader: Any, writer: Any) -> None:
        accepted.set_result(writer)
        await over.wait()

    async with await sluiceway.start_unix_server(handle, unix_path):
        _, near = await sluiceway.open_unix_connection(unix_path)
        far = await accepted
        writer, other = (near, far) if side == "client" else (far, near)
        expected = dict(zip(TCP_NAMES, (unix_path, "") if side == "client" else ("", unix_path), strict=True))
        if read_before:
            assert extra_info(writer, TCP_NAMES) == expected
        await ending(writer, other)
        assert extra_info(writer, TCP_NAMES) == expected
        over.set()
        for writer in (near, far):
            writer.close()
            await writer.wait_closed()


@each_ending
@each_side
async def test_extra_info_of_tls_is_unchanged_after_close(tls: Any, side: str, ending: Ending) -> None:
    """T5: the values of TLS stay readable on both sides, and ssl_object can be queried."""
    async with connected_pair(
        sluiceway,
        server={"ssl": tls.server_context},
        client={"ssl": tls.client_context, "server_hostname": "localhost"},
    ) as ((_, near), (_, far)):
        writer, other = (near, far) if side == "client" else (far, near)
        known = extra_info(writer, TLS_NAMES)
        assert known["cipher"][2] > 0
        assert known["ssl_object"] is not None
        await ending(writer, other)
        # In each iteration: asyncio's transport clears its values before it calls connection_lost().
        for _ in range(5):
            assert extra_info(writer, TLS_NAMES) == known
            await asyncio.sleep(0)
        assert writer.get_extra_info("ssl_object").version().startswith("TLS")
        assert writer.get_extra_info("no such thing", 5) == 5


async def test_peer_certificate_is_readable_after_close(tls: Any) -> None:
    """T5: the client can still identify the server."""
    async with connected_pair(
        sluiceway,
        server={"ssl": tls.server_context},
        client={"ssl": tls.client_context, "server_hostname": "localhost"},
    ) as ((_, writer), (_, far)):
        far.close()
        writer.close()
        await writer.wait_closed()
        names = {value for _, value in writer.get_extra_info("peercert")["subjectAltName"]}
        assert "localhost" in names


@each_side
async def test_extra_info_is_unchanged_after_a_reset(raw_peers: RawPeers, side: str) -> None:
    """T5: the program can log the address of a peer that has reset the connection."""
    if side == "client":
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        peer = listener.accept()
        server = None
    else:
        accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def handle(reader: Any, writer: Any) -> None:
            accepted.set_result((reader, writer))

        server = await sluiceway.start_server(handle, "127.0.0.1", 0)
        peer = raw_peers.connect(server_address(server))
        reader, writer = await accepted
    known = extra_info(writer, TCP_NAMES)
    assert known == {"peername": peer.sock.getsockname(), "sockname": peer.sock.getpeername()}
    peer.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert extra_info(writer, TCP_NAMES) == known
    writer.close()
    assert extra_info(writer, TCP_NAMES) == known
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    assert extra_info(writer, TCP_NAMES) == known
    if server is not None:
        server.close()
        await server.wait_closed()


async def test_extra_info_of_tls_is_unchanged_after_a_reset(raw_peers: RawPeers, tls: Any) -> None:
    """T5: before and after close()."""

    def answer(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("reset")
        peer.reset()

    script = raw_peers.serve(answer)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    known = extra_info(writer, TLS_NAMES)
    script.signal("reset")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert extra_info(writer, TLS_NAMES) == known
    writer.close()
    writer.close()
    assert extra_info(writer, TLS_NAMES) == known
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    assert extra_info(writer, TLS_NAMES) == known
    await script.finished()


async def test_extra_info_is_unchanged_after_start_tls_and_close(tls: Any) -> None:
    """T5: the values that start_tls() adds stay readable as well."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        await writer.start_tls(tls.server_context)
        accepted.set_result(writer)
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        _, writer = await sluiceway.open_connection(*server_address(server))
        plain = extra_info(writer, TCP_NAMES)
        await writer.start_tls(tls.client_context, server_hostname="localhost")
        known = extra_info(writer, TLS_NAMES)
        assert {name: known[name] for name in TCP_NAMES} == plain
        assert known["cipher"][2] > 0
        await accepted
        writer.close()
        assert extra_info(writer, TLS_NAMES) == known
        await writer.wait_closed()
        assert extra_info(writer, TLS_NAMES) == known
