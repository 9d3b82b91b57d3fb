"""A failed start_tls(), on either side, closes both sides and raises the cause."""

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import run_iterations, start_task, wait_until


def upgrade_of(side: str, near: Any, far: Any, tls: Certificates) -> tuple[Any, Any, dict[str, Any]]:
    """Return the streams that upgrade, the other streams, and the arguments of start_tls()."""
    if side == "client":
        return near, far, {"sslcontext": tls.client_context, "server_hostname": "localhost"}
    return far, near, {"sslcontext": tls.server_context}


async def wait_until_closed(end: Any) -> None:
    """Wait until the connection is closed, with or without an error."""
    with contextlib.suppress(OSError):
        await end[1].wait_closed()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_upgrade_after_write_eof_raises_and_changes_nothing(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        local, remote, arguments = upgrade_of(side, near, far, tls)
        local[1].write_eof()
        with pytest.raises(RuntimeError, match=r"start_tls\(\): not possible after write_eof\(\) \(connection "):
            await local[1].start_tls(**arguments)
        remote[1].write(b"still readable")
        assert await local[0].readexactly(14) == b"still readable"


async def test_failed_handshake_raises_and_closes_both_sides(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        with pytest.raises(ssl.SSLCertVerificationError, match=str(near[1].get_extra_info("peername")[1])):
            await near[1].start_tls(ssl.create_default_context(), server_hostname="localhost")
        await wait_until_closed(near)
        assert near[1].is_closing()
        with contextlib.suppress(OSError):
            await upgrade
        await wait_until_closed(far)


@pytest.mark.parametrize("side", ["client", "server"])
async def test_plaintext_answer_of_the_peer_raises_and_closes(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        local, remote, arguments = upgrade_of(side, near, far, tls)
        upgrade = asyncio.create_task(local[1].start_tls(**arguments))
        await run_iterations(20)
        remote[1].write(b"500 unknown command\r\n")
        with pytest.raises(ssl.SSLError):
            await upgrade
        await wait_until_closed(local)
        with pytest.raises(OSError):
            await local[1].drain()
            local[1].write(b"x")
            await local[1].drain()


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("end", ["close", "reset", "half-close"])
async def test_end_of_the_peer_during_start_tls_raises_and_closes(
    side: str, end: str, tls: Certificates, raw_peers: RawPeers
) -> None:
    if side == "client":
        listener = raw_peers.listen()
        local = await sluiceway.open_connection(*listener.address)
        peer, server = listener.accept(), None
        upgrade = asyncio.create_task(local[1].start_tls(tls.client_context, server_hostname="localhost"))
    else:
        accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = await sluiceway.start_server(lambda *ends: accepted.set_result(ends), "127.0.0.1", 0)
        peer = raw_peers.connect(server_address(server))
        local = await accepted
        upgrade = asyncio.create_task(local[1].start_tls(tls.server_context))
    await run_iterations(20)
    {"close": peer.close, "reset": peer.reset, "half-close": peer.half_close}[end]()
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1"):
        await upgrade
    await wait_until_closed(local)
    del local
    if server is not None:
        accepted = None
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x00\xf0\x01"], ids=["nothing", "part of a ClientHello"])
@pytest.mark.parametrize("side", ["client", "server"])
async def test_end_of_the_peer_before_start_tls_raises_at_once(side: str, first: bytes, tls: Certificates) -> None:
    """The transport does not report that end again, so the handshake would wait until its timeout."""
    async with connected_pair(sluiceway) as (near, far):
        local, remote, arguments = upgrade_of(side, near, far, tls)
        if side == "server":
            remote[1].write(first)
        remote[1].write_eof()
        await wait_until(lambda: local[0].eof_reason == "clean")
        with pytest.raises(ConnectionError, match="the peer closed the connection during the TLS handshake"):
            await local[1].start_tls(**arguments, ssl_handshake_timeout=1)
        await wait_until_closed(local)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_own_close_during_start_tls_is_named_as_the_reason(
    end: str, tls: Certificates, raw_peers: RawPeers
) -> None:
    """R8: to the reader it is a close on this side, as without start_tls()."""
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    upgrade = asyncio.create_task(writer.start_tls(tls.client_context, server_hostname="localhost"))
    await run_iterations(5)
    getattr(writer.transport, end)()
    with pytest.raises(ConnectionResetError) as raised:
        await upgrade
    peer = f"localhost at {listener.address[0]}:{listener.port}"
    reason = "this program has closed the connection during the TLS handshake"
    assert str(raised.value) == f"{reason} (TLS handshake with {peer})"
    await writer.wait_closed()
    assert await reader.read() == b""
    assert reader.eof_reason == "closed"
    assert reader.exception() is None


@pytest.mark.parametrize("end", ["aclose", "abort"])
async def test_close_of_a_stream_during_start_tls_is_no_loss(end: str, tls: Certificates, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    stream = await sluiceway.connect(socket.create_connection(listener.address))
    upgrade = await start_task(stream.start_tls(tls.client_context, server_hostname="localhost"))
    await run_iterations(5)
    if end == "abort":
        stream.abort()
    info = await stream.aclose()
    assert (info.flushed, info.reason) == (True, "aborted" if end == "abort" else "closed")
    assert stream.eof_reason == "closed"
    with pytest.raises(ConnectionResetError, match="this program has closed"):
        await upgrade


async def test_start_tls_during_a_lingering_close_raises_and_the_close_continues(
    tls: Certificates, raw_peers: RawPeers
) -> None:
    """The transport is not closing before the end of the peer's direction, but nothing may be sent."""
    script = raw_peers.serve(lambda peer: peer.wait_for("end"))
    stream = await sluiceway.connect(socket.create_connection(script.address))
    writer = stream.writer
    closing = await start_task(stream.aclose(linger=60))
    with pytest.raises(ConnectionResetError, match=r"start_tls\(\): connection .* is closed"):
        await writer.start_tls(tls.client_context, server_hostname="localhost")
    assert not writer.transport.is_closing()
    script.signal("end")
    assert (await closing).reason == "closed"
    await script.finished()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_ssl_handshake_timeout_aborts_and_closes(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        local, _, arguments = upgrade_of(side, near, far, tls)
        with pytest.raises(ConnectionAbortedError, match=r"(?s)handshake.*127\.0\.0\.1"):
            await local[1].start_tls(ssl_handshake_timeout=0.05, **arguments)
        await wait_until_closed(local)
        assert local[1].is_closing()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_cancelled_start_tls_closes(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        local, _, arguments = upgrade_of(side, near, far, tls)
        upgrade = asyncio.create_task(local[1].start_tls(**arguments))
        await run_iterations(20)
        upgrade.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upgrade
        await wait_until_closed(local)
        assert local[1].is_closing()


async def test_start_tls_cancelled_before_handshake_keeps_connection_and_pending_data(
    tls: Certificates, raw_peers: RawPeers
) -> None:
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        upgrade = asyncio.create_task(writer.start_tls(tls.client_context, server_hostname="localhost"))
        await run_iterations(20)
        upgrade.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upgrade
        assert not writer.is_closing()
        assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD


async def test_waiting_read_ends_at_a_failed_handshake(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        waiting = asyncio.create_task(near[0].read())
        await run_iterations(20)
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        with pytest.raises(ssl.SSLError):
            await near[1].start_tls(ssl.create_default_context(), server_hostname="localhost")
        with contextlib.suppress(OSError):
            assert await waiting == b""
        with contextlib.suppress(OSError):
            await upgrade


async def test_ssl_shutdown_timeout_of_start_tls_bounds_the_close(tls: Certificates, raw_peers: RawPeers) -> None:
    def serve(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("closed")

    script = raw_peers.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address)
    await writer.start_tls(tls.client_context, server_hostname="localhost", ssl_shutdown_timeout=0.05)
    writer.close()
    await writer.wait_closed()
    script.signal("closed")
    await script.finished()


async def test_start_tls_after_close_raises_although_data_is_pending(raw_peers: RawPeers, tls: Certificates) -> None:
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD))
        writer.write(PAYLOAD)
        writer.close()
        with pytest.raises(ConnectionResetError, match=r"start_tls\(\): connection .* is closed"):
            await writer.start_tls(tls.client_context, server_hostname="localhost")


async def test_close_between_handshake_and_its_result_raises(raw_peers: RawPeers, tls: Certificates) -> None:
    """Another task closes the stream before start_tls() continues after the handshake."""
    script = raw_peers.serve(lambda peer: peer.start_tls(tls.server_context, server_side=True))
    stream = await sluiceway.connect(socket.create_connection(script.address))
    record = stream._links[0].keep_record()
    upgrading = await start_task(stream.start_tls(tls.client_context, server_hostname="localhost"))
    while record.upgrade is not None and not record.upgrade.raw.handshake_complete:
        await asyncio.sleep(0)
    assert stream.writer is not None
    stream.writer.close()
    with pytest.raises(ConnectionResetError, match="this program has closed"):
        await upgrading
    assert (await stream.aclose()).reason == "closed"
    assert stream.eof_reason == "closed"
    await script.finished()


async def test_close_while_the_first_handshake_message_is_unsent_ends_the_upgrade(tls: Certificates) -> None:
    """asyncio's transport ends when everything is sent; its abort() then raises AttributeError."""
    near, far = socket.socketpair()
    with far:
        far.setblocking(False)
        _, writer = await sluiceway.open_connection(sock=near)
        writer.transport.set_write_buffer_limits(high=2 * len(PAYLOAD))  # type: ignore[attr-defined]
        writer.write(PAYLOAD)
        upgrade = await start_task(writer.start_tls(tls.client_context, server_hostname="localhost"))
        await run_iterations(5)
        writer.close()
        while not upgrade.done():
            with contextlib.suppress(BlockingIOError):
                far.recv(1 << 20)
            await asyncio.sleep(0)
        with pytest.raises(ConnectionResetError, match="this program has closed the connection"):
            await upgrade
        await wait_until_closed((None, writer))
