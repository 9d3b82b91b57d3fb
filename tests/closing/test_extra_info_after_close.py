"""T5: peername, sockname, certificate and cipher stay readable after the end, however it came."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeer, RawPeers

PLAIN = ("peername", "sockname")
OVER_TLS = (*PLAIN, "cipher", "peercert", "compression", "ssl_object", "sslcontext")

sides = pytest.mark.parametrize("side", ["client", "server"])

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


async def close_after_the_wait(writer: Any, far: Any) -> None:
    await close_and_wait(writer, far)
    writer.close()
    await writer.wait_closed()


async def abort(writer: Any, _far: Any) -> None:
    writer.transport.abort()


async def abort_and_wait(writer: Any, _far: Any) -> None:
    writer.transport.abort()
    writer.close()
    await writer.wait_closed()


async def transport_closed(writer: Any, far: Any) -> None:
    writer.transport.close()
    far.close()
    await writer.wait_closed()


endings = pytest.mark.parametrize(
    "ending", [close, close_twice, close_and_wait, close_after_the_wait, abort, abort_and_wait, transport_closed]
)


def _known(writer: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: writer.get_extra_info(name, "nothing") for name in names}


@endings
@sides
async def test_tcp(side: str, ending: Ending) -> None:
    """T5: on both sides of a TCP connection."""
    async with connected_pair(sluiceway) as ((_, near), (_, far)):
        writer, other = (near, far) if side == "client" else (far, near)
        known = _known(writer, PLAIN)
        assert known["peername"][0] == "127.0.0.1"
        await ending(writer, other)
        assert _known(writer, PLAIN) == known
        await asyncio.sleep(0)
        assert _known(writer, PLAIN) == known


@endings
@sides
async def test_unix(unix_path: str, side: str, ending: Ending) -> None:
    """T5: on both sides of a Unix connection."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handle(_reader: Any, writer: Any) -> None:
        accepted.set_result(writer)
        await over.wait()

    async with await sluiceway.start_unix_server(handle, unix_path):
        _, near = await sluiceway.open_unix_connection(unix_path)
        far = await accepted
        assert near.get_extra_info("peername") == far.get_extra_info("sockname") == unix_path
        writer, other = (near, far) if side == "client" else (far, near)
        known = _known(writer, PLAIN)
        await ending(writer, other)
        assert _known(writer, PLAIN) == known
        over.set()
        for writer in (near, far):
            writer.close()
            await writer.wait_closed()


@endings
@sides
async def test_tls(tls: Any, side: str, ending: Ending) -> None:
    """T5: on both sides of a TLS connection, with what TLS knows; the ssl_object can still be asked."""
    async with connected_pair(
        sluiceway,
        server={"ssl": tls.server_context},
        client={"ssl": tls.client_context, "server_hostname": "localhost"},
    ) as ((_, near), (_, far)):
        writer, other = (near, far) if side == "client" else (far, near)
        known = _known(writer, OVER_TLS)
        assert known["cipher"][2] > 0
        assert known["ssl_object"] is not None
        await ending(writer, other)
        # Turn by turn: the transport forgets before it tells that the connection is lost.
        for _ in range(5):
            assert _known(writer, OVER_TLS) == known
            await asyncio.sleep(0)
        assert writer.get_extra_info("ssl_object").version().startswith("TLS")
        assert writer.get_extra_info("no such thing", 5) == 5


async def test_certificate(tls: Any) -> None:
    """T5: the client can still say whom it spoke with."""
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


@sides
async def test_after_a_reset(raw_peers: RawPeers, side: str) -> None:
    """T5: the peer has reset: who it was can be logged."""
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
    known = _known(writer, PLAIN)
    assert known == {"peername": peer.sock.getsockname(), "sockname": peer.sock.getpeername()}
    peer.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert _known(writer, PLAIN) == known
    writer.close()
    assert _known(writer, PLAIN) == known
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    assert _known(writer, PLAIN) == known
    if server is not None:
        server.close()
        await server.wait_closed()


async def test_after_a_reset_over_tls(raw_peers: RawPeers, tls: Any) -> None:
    """T5: the same over TLS, before anybody closes and after."""

    def answer(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("reset")
        peer.reset()

    script = raw_peers.serve(answer)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=tls.client_context, server_hostname="localhost"
    )
    known = _known(writer, OVER_TLS)
    script.signal("reset")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert _known(writer, OVER_TLS) == known
    writer.close()
    writer.close()
    assert _known(writer, OVER_TLS) == known
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    assert _known(writer, OVER_TLS) == known
    await script.finished()


async def test_after_start_tls(tls: Any) -> None:
    """T5: what an upgrade brought is kept as well."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        await writer.start_tls(tls.server_context)
        accepted.set_result(writer)
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        _, writer = await sluiceway.open_connection(*server_address(server))
        plain = _known(writer, PLAIN)
        await writer.start_tls(tls.client_context, server_hostname="localhost")
        known = _known(writer, OVER_TLS)
        assert {name: known[name] for name in PLAIN} == plain
        assert known["cipher"][2] > 0
        await accepted
        writer.close()
        assert _known(writer, OVER_TLS) == known
        await writer.wait_closed()
        assert _known(writer, OVER_TLS) == known
