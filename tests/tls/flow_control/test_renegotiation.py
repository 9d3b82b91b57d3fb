"""During a renegotiation, writes are pending data: drain() waits for them, and the end of the connection ends them."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.renegotiating_tls import RenegotiatingContext, RenegotiatingSSLObject
from support.scheduling import run_iterations, start_task
from support.timeouts import PEER_TIMEOUT

PIECE = bytes(30_000)


async def connect_renegotiating(
    raw_peers: RawPeers, tls: Certificates, body: Any
) -> tuple[Any, Any, Any, RenegotiatingSSLObject]:
    def serve(peer: RawPeer) -> Any:
        peer.start_tls(tls.server_context, server_side=True)
        return body(peer)

    context = RenegotiatingContext.trusting(tls.ca_file)
    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address, ssl=context, server_hostname="localhost", ssl_shutdown_timeout=60, close_timeout=None
    )
    [sslobject] = context.instances
    return reader, writer, script, sslobject


async def test_drain_waits_during_a_renegotiation(raw_peers: RawPeers, tls: Certificates) -> None:
    def answer(peer: RawPeer) -> int:
        peer.wait_for("answer")
        peer.send(b"data")
        return len(peer.receive(10 * len(PIECE)))

    reader, writer, script, sslobject = await connect_renegotiating(raw_peers, tls, answer)
    sslobject.renegotiating = True
    written = 0

    async def write() -> None:
        nonlocal written
        while written < 10:
            writer.write(PIECE)
            written += 1
            await writer.drain()

    writing = await start_task(write())
    await run_iterations(20)
    assert written == 3
    sslobject.renegotiating = False
    script.signal("answer")
    assert await reader.readexactly(4) == b"data"
    await writing
    assert await script.finished() == 10 * len(PIECE)
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("end", ["close_notify", "FIN"])
@pytest.mark.parametrize("written", [b"", PIECE])
async def test_end_of_the_peer_during_a_renegotiation_ends_the_connection(
    end: str, written: bytes, raw_peers: RawPeers, tls: Certificates
) -> None:
    def leave(peer: RawPeer) -> None:
        peer.wait_for("leave")
        if end == "close_notify":
            # sluiceway does not answer during a renegotiation.
            peer.sock.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.sock.unwrap()  # type: ignore[attr-defined]
            peer.sock.settimeout(PEER_TIMEOUT)
        peer.half_close()
        with contextlib.suppress(OSError):
            peer.receive_rest()

    reader, writer, script, sslobject = await connect_renegotiating(raw_peers, tls, leave)
    sslobject.renegotiating = True
    writer.write(written)
    script.signal("leave")
    assert await reader.read() == b""
    assert reader.eof_reason == ("clean" if end == "close_notify" else "truncated")
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    await script.finished()
    await asyncio.sleep(0)
