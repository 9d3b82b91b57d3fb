"""During a renegotiation, writes are pending data: drain() waits for them, and the end of the connection ends them."""

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.manual_timers import manual_timers
from support.raw_peer import RawPeer, RawPeers
from support.renegotiating_tls import RenegotiatingContext, RenegotiatingSSLObject
from support.scheduling import run_iterations, start_task, wait_until
from support.timeouts import PEER_TIMEOUT

PIECE = bytes(30_000)
HIGH_WATER = 65536

# Seconds; no other timer has this delay.
MANUAL_DELAY = 54321.0


async def connect_renegotiating(
    raw_peers: RawPeers, tls: Certificates, body: Any, shutdown_timeout: float = 60
) -> tuple[Any, Any, Any, RenegotiatingSSLObject]:
    def serve(peer: RawPeer) -> Any:
        peer.start_tls(tls.server_context, server_side=True)
        return body(peer)

    context = RenegotiatingContext.trusting(tls.ca_file)
    script = raw_peers.serve(serve)
    reader, writer = await sluiceway.open_connection(
        *script.address,
        ssl=context,
        server_hostname="localhost",
        ssl_shutdown_timeout=shutdown_timeout,
        close_timeout=None,
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


async def test_lower_mark_during_renegotiation_lets_drain_wait(raw_peers: RawPeers, tls: Certificates) -> None:
    """Plaintext that was below the former high-water mark may exceed the new one."""

    def answer(peer: RawPeer) -> int:
        peer.wait_for("answer")
        peer.send(b"data")
        return len(peer.receive(len(PIECE)))

    reader, writer, script, sslobject = await connect_renegotiating(raw_peers, tls, answer)
    sslobject.renegotiating = True
    writer.write(PIECE)
    await writer.drain()
    writer.transport.set_write_buffer_limits(high=len(PIECE) - 1)
    draining = await start_task(writer.drain())
    await run_iterations(20)
    assert not draining.done()
    sslobject.renegotiating = False
    script.signal("answer")
    assert await reader.readexactly(4) == b"data"
    await draining
    assert await script.finished() == len(PIECE)
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
            # sluiceway does not answer during a renegotiation. Its FIN may have arrived already.
            peer.sock.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLEOFError):
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


@pytest.mark.parametrize(("buffered", "waiting"), [(1, b""), (2 * HIGH_WATER, PIECE)])
async def test_shutdown_timeout_during_a_renegotiation_starts_when_all_data_was_sent(
    buffered: int, waiting: bytes, raw_peers: RawPeers, tls: Certificates
) -> None:
    """X1: neither records that the kernel has not accepted nor plaintext that waits for the peer were sent."""
    encrypted = 0

    def read(peer: RawPeer) -> int:
        peer.wait_for("read")
        size = len(peer.receive(encrypted))
        peer.signal("received")
        peer.wait_for("answer")
        peer.send(b"data")
        return size + len(peer.receive_rest())

    with manual_timers(MANUAL_DELAY) as timers:
        _, writer, script, sslobject = await connect_renegotiating(raw_peers, tls, read, MANUAL_DELAY)
        transport = writer.transport
        await asyncio.sleep(0)
        written = 0
        while transport.get_write_buffer_size() < buffered:
            writer.write(PIECE)
            written += len(PIECE)
        sslobject.renegotiating = True
        writer.write(waiting)
        written += len(waiting)
        encrypted = written - transport.raw.pending_size()
        writer.close()
        closed = await start_task(writer.wait_closed())
        started = [len(timers.pending)]
        script.signal("read")
        await script.wait_for("received")
        await wait_until(lambda: not transport.lower.get_write_buffer_size())
        await run_iterations(5)
        started.append(len(timers.pending))
        sslobject.renegotiating = False
        script.signal("answer")
        assert await script.finished() == written
        assert await closed is None
    assert started == [0, 0 if waiting else 1]
