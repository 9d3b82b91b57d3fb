"""X1 over TLS: the backlog under close_timeout, then the close_notify under ssl_shutdown_timeout; always an end."""

import asyncio
import contextlib
import logging
import ssl
import types
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair, server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.manual_timers import manual_timers
from support.non_reading_peer import PAYLOAD
from support.raw_peer import PeerScript, RawPeer, RawPeers

SOON = 0.05

# Seconds that no other timer has.
HELD = 12345.0


async def _open(script: PeerScript, tls: Any, **more: Any) -> tuple[Any, Any]:
    return await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost", **more)


def _both_tls(tls: Any, **timeouts: float) -> dict[str, Any]:
    return {
        "server": {"ssl": tls.server_context, **timeouts},
        "client": {"ssl": tls.client_context, "server_hostname": "localhost", **timeouts},
    }


async def test_everything_is_flushed(tls: Any) -> None:
    """X1: every byte, the close_notify of both sides, both descriptors closed."""
    async with connected_pair(sluiceway, **_both_tls(tls)) as ((_, writer), (far_reader, far)):
        descriptors = socket_descriptor(writer), socket_descriptor(far)
        writer.write(PAYLOAD)
        writer.close()
        closed = asyncio.create_task(writer.wait_closed())
        assert await far_reader.read() == PAYLOAD
        far.close()
        await far.wait_closed()
        await closed
        assert not is_descriptor_open(descriptors[0])
        assert not is_descriptor_open(descriptors[1])


async def test_both_close_at_once(streams: types.ModuleType, tls: Any) -> None:
    """X1: neither waits for the other to be first."""
    async with connected_pair(streams, **_both_tls(tls)) as ((_, writer), (_, far)):
        writer.close()
        far.close()
        await asyncio.gather(writer.wait_closed(), far.wait_closed())


@pytest.mark.parametrize("calls", ["close close", "transport close", "close wait close"])
async def test_closed_more_than_once(tls: Any, calls: str) -> None:
    """X1: over TLS a second close takes nothing away: the bytes arrive, everything can still be asked."""
    async with connected_pair(sluiceway, **_both_tls(tls)) as ((_, writer), (far_reader, far)):
        peername = writer.get_extra_info("peername")
        writer.write(b"the last words")
        for call in calls.split():
            if call == "close":
                writer.close()
            elif call == "transport":
                writer.transport.close()
            else:
                closing = asyncio.create_task(writer.wait_closed())
                await asyncio.sleep(0)
        assert writer.is_closing()
        assert writer.get_extra_info("peername") == peername
        assert await far_reader.read() == b"the last words"
        far.close()
        await far.wait_closed()
        await writer.wait_closed()
        if "wait" in calls:
            await closing
        writer.close()
        assert writer.is_closing()
        assert repr(writer).startswith("<StreamWriter")


async def test_peer_never_answers_close_notify(raw_peers: RawPeers, tls: Any) -> None:
    """X1: after ssl_shutdown_timeout the connection ends; nothing is raised, the peer has every byte."""

    def answer(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        data = peer.receive(4)
        peer.wait_for("end")
        return data

    script = raw_peers.serve(answer)
    _, writer = await _open(script, tls, ssl_shutdown_timeout=SOON)
    descriptor = socket_descriptor(writer)
    writer.write(b"word")
    writer.close()
    assert await writer.wait_closed() is None
    assert not is_descriptor_open(descriptor)
    script.signal("end")
    assert await script.finished() == b"word"


async def test_peer_keeps_sending_after_the_close(raw_peers: RawPeers, tls: Any) -> None:
    """X1: a peer that only ever sends is no reason to wait, nor an error."""

    def pour(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        with contextlib.suppress(OSError):
            while True:
                peer.send(bytes(10_000))

    script = raw_peers.serve(pour)
    reader, writer = await _open(script, tls, ssl_shutdown_timeout=SOON)
    descriptor = socket_descriptor(writer)
    assert await reader.readexactly(100_000) == bytes(100_000)
    writer.close()
    assert await writer.wait_closed() is None
    assert not is_descriptor_open(descriptor)
    await script.finished()


async def test_reading_paused_at_the_close(tls: Any) -> None:
    """X1: nobody reads, so reading is paused, with more waiting in the kernel: the close ends all the same."""
    async with connected_pair(sluiceway, **_both_tls(tls, ssl_shutdown_timeout=SOON)) as ((reader, writer), (_, far)):
        far.write(PAYLOAD)
        # The paused state shows in the transport: nothing more arrives though there is more.
        while writer.transport.is_reading():
            await asyncio.sleep(0)
        assert await reader.readexactly(10) == PAYLOAD[:10]
        descriptor = socket_descriptor(writer)
        writer.close()
        assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)


async def test_reset_after_the_close_is_not_raised(raw_peers: RawPeers, tls: Any) -> None:
    """X1: the peer resets in place of its close_notify."""

    def answer(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.signal("open")
        peer.wait_for("reset")
        peer.reset()

    script = raw_peers.serve(answer)
    _, writer = await _open(script, tls)
    descriptor = socket_descriptor(writer)
    await script.wait_for("open")
    writer.close()
    closed = asyncio.create_task(writer.wait_closed())
    await asyncio.sleep(0)
    script.signal("reset")
    assert await closed is None
    assert not is_descriptor_open(descriptor)
    await script.finished()


async def _end_unread_backlog(raw_peers: RawPeers, tls: Any, timeout: float, **timeouts: float) -> None:
    """Close with a backlog at a peer that reads nothing; fail unless that ends within ``timeout`` seconds."""

    def ignore(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("end")

    script = raw_peers.serve(ignore)
    _, writer = await _open(script, tls, **timeouts)
    descriptor = socket_descriptor(writer)
    try:
        writer.write(PAYLOAD)
        writer.close()
        async with asyncio.timeout(timeout):
            assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)
    finally:
        script.signal("end")
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await script.finished()


async def test_peer_that_never_reads(raw_peers: RawPeers, tls: Any, caplog: pytest.LogCaptureFixture) -> None:
    """X1: a backlog of which the kernel takes nothing ends after close_timeout, told once, not after 30 s of TLS's."""
    await _end_unread_backlog(raw_peers, tls, 10, close_timeout=SOON)
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in records] == ["sluiceway"]


async def test_slow_peer_has_longer_than_the_shutdown_timeout(raw_peers: RawPeers, tls: Any) -> None:
    """X1: ssl_shutdown_timeout is for the close_notify alone: it does not begin while the backlog is under way."""

    def read_late(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        some = peer.receive(1000)
        peer.signal("has some")
        peer.wait_for("go on")
        rest = peer.receive(len(PAYLOAD) - 1000)
        with contextlib.suppress(OSError):
            peer.unwrap_tls()
        return some + rest

    script = raw_peers.serve(read_late)
    with manual_timers(HELD) as timers:
        _, writer = await _open(script, tls, ssl_shutdown_timeout=HELD)
        writer.write(PAYLOAD)
        writer.close()
        closed = asyncio.create_task(writer.wait_closed())
        await script.wait_for("has some")
        timers.fire()
        script.signal("go on")
        assert await script.finished() == PAYLOAD
        # Whatever was asked of the close_notify now: it may take its timeout.
        for _ in range(100):
            await asyncio.sleep(0)
        timers.fire()
        await closed


async def test_error_before_the_close_is_raised(streams: types.ModuleType, raw_peers: RawPeers, tls: Any) -> None:
    """X1: as on a plain connection, what came before close() is told."""

    def answer(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"hi")
        peer.wait_for("reset")
        peer.reset()

    script = raw_peers.serve(answer)
    reader, writer = await streams.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost")
    assert await reader.readexactly(2) == b"hi"
    script.signal("reset")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()
    await script.finished()


async def test_close_in_the_handler(raw_peers: RawPeers, tls: Any) -> None:
    """X1: a server's handler closes over TLS with bytes to flush, at a peer that sends no close_notify."""
    words = PAYLOAD[:10_000]
    ended: asyncio.Future[tuple[bool, Any]] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        descriptor = socket_descriptor(writer)
        # As much as the kernel takes at once: the close_notify's timeout is not to cut a backlog short.
        writer.write(words)
        writer.close()
        result = await writer.wait_closed()
        ended.set_result((is_descriptor_open(descriptor), result))

    def read(peer: RawPeer) -> bytes:
        peer.start_tls(tls.client_context, server_hostname="localhost")
        data = peer.receive(len(words))
        peer.wait_for("end")
        return data

    async with await sluiceway.start_server(
        handle, "127.0.0.1", 0, ssl=tls.server_context, ssl_shutdown_timeout=SOON
    ) as server:
        script = raw_peers.run_client(server_address(server), read)
        assert await ended == (False, None)
        script.signal("end")
        assert await script.finished() == words


async def test_handler_that_closes_at_once(raw_peers: RawPeers, tls: Any, loop_errors: list[dict[str, Any]]) -> None:
    """X1: the first thing a handler does, over TLS, to a client that is gone after its handshake: nothing to report."""

    async def handle(_reader: Any, writer: Any) -> None:
        writer.close()
        writer.close()
        await writer.wait_closed()

    def leave(peer: RawPeer) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            peer.start_tls(tls.client_context, server_hostname="localhost")
            peer.reset()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        for _ in range(5):
            await raw_peers.run_client(server_address(server), leave).finished()
    assert loop_errors == []
