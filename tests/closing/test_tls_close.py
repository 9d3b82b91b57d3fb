"""X1 over TLS: close_timeout bounds the pending data, then ssl_shutdown_timeout bounds the exchange of close_notify."""

import asyncio
import contextlib
import ssl
import types
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair, server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.log_records import only_warning
from support.manual_timers import manual_timers
from support.non_reading_peer import PAYLOAD
from support.raw_peer import PeerScript, RawPeer, RawPeers

# Seconds.
SHORT = 0.05

# Seconds; no other timer has this delay.
MANUAL_DELAY = 12345.0


async def open_tls(script: PeerScript, tls: Any, **more: Any) -> tuple[Any, Any]:
    return await sluiceway.open_connection(*script.address, ssl=tls.client_context, server_hostname="localhost", **more)


def tls_on_both_sides(tls: Any, **timeouts: float) -> dict[str, Any]:
    return {
        "server": {"ssl": tls.server_context, **timeouts},
        "client": {"ssl": tls.client_context, "server_hostname": "localhost", **timeouts},
    }


async def test_close_sends_pending_data_and_close_notify(tls: Any) -> None:
    """X1: both sides send close_notify, and both descriptors are closed."""
    async with connected_pair(sluiceway, **tls_on_both_sides(tls)) as ((_, writer), (far_reader, far)):
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


async def test_simultaneous_close_completes_on_both_sides(streams: types.ModuleType, tls: Any) -> None:
    """X1: neither side waits for the other to close first."""
    async with connected_pair(streams, **tls_on_both_sides(tls)) as ((_, writer), (_, far)):
        writer.close()
        far.close()
        await asyncio.gather(writer.wait_closed(), far.wait_closed())


@pytest.mark.parametrize("calls", ["close close", "transport close", "close wait close"])
async def test_second_close_sends_pending_data_and_keeps_extra_info(tls: Any, calls: str) -> None:
    """X1: in any order of close(), transport.close() and wait_closed()."""
    async with connected_pair(sluiceway, **tls_on_both_sides(tls)) as ((_, writer), (far_reader, far)):
        peername = writer.get_extra_info("peername")
        writer.write(b"last data")
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
        assert await far_reader.read() == b"last data"
        far.close()
        await far.wait_closed()
        await writer.wait_closed()
        if "wait" in calls:
            await closing
        writer.close()
        assert writer.is_closing()
        assert repr(writer).startswith("<StreamWriter")


async def test_close_ends_after_ssl_shutdown_timeout_without_the_peers_close_notify(
    raw_peers: RawPeers, tls: Any
) -> None:
    """X1: wait_closed() raises nothing, and the peer has received every byte."""

    def answer(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        data = peer.receive(4)
        peer.wait_for("end")
        return data

    script = raw_peers.serve(answer)
    _, writer = await open_tls(script, tls, ssl_shutdown_timeout=SHORT)
    descriptor = socket_descriptor(writer)
    writer.write(b"word")
    writer.close()
    assert await writer.wait_closed() is None
    assert not is_descriptor_open(descriptor)
    script.signal("end")
    assert await script.finished() == b"word"


async def test_close_ends_while_the_peer_keeps_sending(raw_peers: RawPeers, tls: Any) -> None:
    """X1: received data neither extends ssl_shutdown_timeout nor raises an error."""

    def send_endlessly(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        with contextlib.suppress(OSError):
            while True:
                peer.send(bytes(10_000))

    script = raw_peers.serve(send_endlessly)
    reader, writer = await open_tls(script, tls, ssl_shutdown_timeout=SHORT)
    descriptor = socket_descriptor(writer)
    assert await reader.readexactly(100_000) == bytes(100_000)
    writer.close()
    assert await writer.wait_closed() is None
    assert not is_descriptor_open(descriptor)
    await script.finished()


async def test_close_ends_while_reading_is_paused(tls: Any) -> None:
    """X1: unread data in the reader and in the kernel does not block the close."""
    async with connected_pair(sluiceway, **tls_on_both_sides(tls, ssl_shutdown_timeout=SHORT)) as (
        (reader, writer),
        (_, far),
    ):
        far.write(PAYLOAD)
        # More data is in the kernel, so reading is paused once nothing more arrives.
        while writer.transport.is_reading():
            await asyncio.sleep(0)
        assert await reader.readexactly(10) == PAYLOAD[:10]
        descriptor = socket_descriptor(writer)
        writer.close()
        assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)


async def test_reset_after_the_close_is_not_raised(raw_peers: RawPeers, tls: Any) -> None:
    """X1: the peer resets instead of answering close_notify."""

    def answer(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.signal("open")
        peer.wait_for("reset")
        peer.reset()

    script = raw_peers.serve(answer)
    _, writer = await open_tls(script, tls)
    descriptor = socket_descriptor(writer)
    await script.wait_for("open")
    writer.close()
    closed = asyncio.create_task(writer.wait_closed())
    await asyncio.sleep(0)
    script.signal("reset")
    assert await closed is None
    assert not is_descriptor_open(descriptor)
    await script.finished()


async def test_peer_that_never_reads_is_aborted_after_close_timeout_and_logged_once(
    raw_peers: RawPeers, tls: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: while data is pending, ssl_shutdown_timeout does not apply."""

    def ignore(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.wait_for("end")

    script = raw_peers.serve(ignore)
    # A timer with the delay of ssl_shutdown_timeout never fires.
    with manual_timers(MANUAL_DELAY):
        _, writer = await open_tls(script, tls, close_timeout=SHORT, ssl_shutdown_timeout=MANUAL_DELAY)
        descriptor = socket_descriptor(writer)
        try:
            writer.write(PAYLOAD)
            writer.close()
            assert await writer.wait_closed() is None
            assert not is_descriptor_open(descriptor)
        finally:
            script.signal("end")
            writer.transport.abort()
            await script.finished()
    assert only_warning(caplog)


async def test_ssl_shutdown_timeout_starts_after_the_pending_data(raw_peers: RawPeers, tls: Any) -> None:
    """X1: a slow peer may take longer than ssl_shutdown_timeout to receive the pending data."""

    def read_late(peer: RawPeer) -> bytes:
        peer.start_tls(tls.server_context, server_side=True)
        some = peer.receive(1000)
        peer.signal("received some")
        peer.wait_for("receive the rest")
        rest = peer.receive(len(PAYLOAD) - 1000)
        with contextlib.suppress(OSError):
            peer.unwrap_tls()
        return some + rest

    script = raw_peers.serve(read_late)
    with manual_timers(MANUAL_DELAY) as timers:
        _, writer = await open_tls(script, tls, ssl_shutdown_timeout=MANUAL_DELAY)
        writer.write(PAYLOAD)
        writer.close()
        closed = asyncio.create_task(writer.wait_closed())
        await script.wait_for("received some")
        timers.fire()
        script.signal("receive the rest")
        assert await script.finished() == PAYLOAD
        # The timer of close_notify may run now.
        for _ in range(100):
            await asyncio.sleep(0)
        timers.fire()
        await closed


async def test_error_before_the_close_is_raised(streams: types.ModuleType, raw_peers: RawPeers, tls: Any) -> None:
    """X1: as on a plain connection, wait_closed() raises an error from before close()."""

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


async def test_close_in_a_handler_sends_pending_data_without_the_peers_close_notify(
    raw_peers: RawPeers, tls: Any
) -> None:
    """X1: wait_closed() in the handler returns after ssl_shutdown_timeout."""
    data = PAYLOAD[:10_000]
    ended: asyncio.Future[tuple[bool, Any]] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        descriptor = socket_descriptor(writer)
        # As much as the kernel accepts at once, so that no data is pending.
        writer.write(data)
        writer.close()
        result = await writer.wait_closed()
        ended.set_result((is_descriptor_open(descriptor), result))

    def read(peer: RawPeer) -> bytes:
        peer.start_tls(tls.client_context, server_hostname="localhost")
        received = peer.receive(len(data))
        peer.wait_for("end")
        return received

    async with await sluiceway.start_server(
        handle, "127.0.0.1", 0, ssl=tls.server_context, ssl_shutdown_timeout=SHORT
    ) as server:
        script = raw_peers.run_client(server_address(server), read)
        assert await ended == (False, None)
        script.signal("end")
        assert await script.finished() == data


async def test_immediate_close_in_a_handler_of_a_reset_connection_reports_nothing(
    raw_peers: RawPeers, tls: Any, loop_errors: list[dict[str, Any]]
) -> None:
    """X1: the client resets after its handshake, and the handler closes first of all."""

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
