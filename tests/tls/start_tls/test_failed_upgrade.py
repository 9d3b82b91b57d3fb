"""start_tls that fails, on either side: both ends are closed, in bounded time, and the error says what it was."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


def chosen(side: str, near: Any, far: Any, tls: Certificates) -> tuple[Any, Any, dict[str, Any]]:
    """Return the end that upgrades, the other one, and what to call start_tls with."""
    if side == "client":
        return near, far, {"sslcontext": tls.client_context, "server_hostname": "localhost"}
    return far, near, {"sslcontext": tls.server_context}


async def lost(end: Any) -> None:
    """The connection ends here, in bounded time, whatever with."""
    with contextlib.suppress(OSError):
        await asyncio.wait_for(end[1].wait_closed(), 5)


async def test_a_failed_handshake_closes_both_sides(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        with pytest.raises(ssl.SSLCertVerificationError, match=str(near[1].get_extra_info("peername")[1])):
            await near[1].start_tls(ssl.create_default_context(), server_hostname="localhost")
        await lost(near)
        assert near[1].is_closing()
        with contextlib.suppress(OSError):
            await upgrade
        await lost(far)


async def test_a_wrong_name(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await near[1].start_tls(tls.client_context, server_hostname="other.example")
        await lost(near)
        with contextlib.suppress(OSError):
            await upgrade
        await lost(far)


@pytest.mark.parametrize("side", ["client", "server"])
async def test_a_peer_that_goes_on_in_plaintext(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        ours, theirs, how = chosen(side, near, far, tls)
        upgrade = asyncio.create_task(ours[1].start_tls(**how))
        await run_iterations(20)
        theirs[1].write(b"what is it that you say?\n")
        with pytest.raises(ssl.SSLError):
            await upgrade
        await lost(ours)
        with pytest.raises(OSError):
            await ours[1].drain()
            ours[1].write(b"x")
            await ours[1].drain()


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
async def test_a_peer_that_goes_away(side: str, how: str, tls: Certificates, raw_peers: RawPeers) -> None:
    if side == "client":
        listener = raw_peers.listen()
        ours = await sluiceway.open_connection(*listener.address)
        peer, server = listener.accept(), None
        upgrade = asyncio.create_task(ours[1].start_tls(tls.client_context, server_hostname="localhost"))
    else:
        accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        server = await sluiceway.start_server(lambda *ends: accepted.set_result(ends), "127.0.0.1", 0)
        peer = raw_peers.connect(server_address(server))
        ours = await accepted
        upgrade = asyncio.create_task(ours[1].start_tls(tls.server_context))
    await run_iterations(20)
    {"close": peer.close, "reset": peer.reset, "half-close": peer.half_close}[how]()
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1"):
        await asyncio.wait_for(upgrade, 10)
    await lost(ours)
    del ours
    if server is not None:
        accepted = None
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_the_handshake_timeout(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        ours, _, how = chosen(side, near, far, tls)
        with pytest.raises(ConnectionAbortedError, match=r"(?s)handshake.*127\.0\.0\.1"):
            await ours[1].start_tls(ssl_handshake_timeout=0.05, **how)
        await lost(ours)
        assert ours[1].is_closing()


@pytest.mark.parametrize("side", ["client", "server"])
async def test_cancelled_it_closes(side: str, tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        ours, _, how = chosen(side, near, far, tls)
        upgrade = asyncio.create_task(ours[1].start_tls(**how))
        await run_iterations(20)
        upgrade.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upgrade
        await lost(ours)
        assert ours[1].is_closing()


async def test_a_read_that_waits_ends_with_a_failed_handshake(tls: Certificates) -> None:
    async with connected_pair(sluiceway) as (near, far):
        waiting = asyncio.create_task(near[0].read())
        await run_iterations(20)
        upgrade = asyncio.create_task(far[1].start_tls(tls.server_context))
        with pytest.raises(ssl.SSLError):
            await near[1].start_tls(ssl.create_default_context(), server_hostname="localhost")
        with contextlib.suppress(OSError):
            assert await asyncio.wait_for(waiting, 5) == b""
        with contextlib.suppress(OSError):
            await upgrade


async def test_the_shutdown_timeout(tls: Certificates, raw_peers: RawPeers) -> None:
    def serve(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("closed")

    script = raw_peers.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address)
    await writer.start_tls(tls.client_context, server_hostname="localhost", ssl_shutdown_timeout=0.05)
    writer.close()
    await asyncio.wait_for(writer.wait_closed(), 10)
    script.signal("closed")
    await script.finished()
