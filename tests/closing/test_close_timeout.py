"""X1: a closing connection that makes no progress for close_timeout is aborted."""

import asyncio
import errno
import sys
from typing import Any
from unittest import mock

import pytest

import sluiceway
from sluiceway._connection.close_timeout import unacknowledged_bytes
from sluiceway._log import logger
from support.connections import close_discarding, server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.log_records import logged_warnings, names_both_addresses, only_warning
from support.manual_timers import ManualTimers, manual_timers
from support.non_reading_peer import (
    PAYLOAD,
    non_reading_peer,
    pending_writes,
    receive_until_progress,
    shrink_kernel_buffers,
)
from support.raw_peer import RawPeers
from support.scheduling import start_task
from support.timeouts import PEER_TIMEOUT

# Seconds.
SHORT = 0.05

# Seconds; no other timer has this delay.
MANUAL_DELAY = 12345.0


async def test_connection_whose_peer_never_reads_is_aborted_and_logged_once(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: wait_closed() returns, the descriptor is closed, and one warning names both addresses."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=SHORT) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)
        assert names_both_addresses(only_warning(caplog), writer)
        assert len(peer.receive_rest()) < len(PAYLOAD)


async def test_connection_is_aborted_even_if_the_log_raises(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On most Pythons, logging.FileHandler does so if no descriptor is left for its file."""
    with manual_timers(MANUAL_DELAY) as timers:
        async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, _peer):
            monkeypatch.setattr(logger, "warning", mock.Mock(side_effect=OSError(errno.EMFILE, "log")))
            writer.close()
            with pytest.raises(OSError, match="log"):
                while timers.fire():
                    await asyncio.sleep(0)
            await writer.wait_closed()


async def test_close_timeout_of_a_server_applies_to_accepted_connections(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: a handler that waits in wait_closed() returns."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        ended.set_result(writer)

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, close_timeout=SHORT) as server:
        raw_peers.connect(server_address(server))
        writer = await ended
    assert names_both_addresses(only_warning(caplog), writer)


async def test_close_timeout_applies_to_unix_connections(
    raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: by the keyword of start_unix_server() and of open_unix_connection()."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        ended.set_result(None)

    async with await sluiceway.start_unix_server(handle, unix_path, close_timeout=SHORT):
        raw_peers.connect(unix_path)
        await ended
    assert unix_path in only_warning(caplog)
    caplog.clear()
    listener = raw_peers.listen(unix=f"{unix_path}2")
    _, writer = await sluiceway.open_unix_connection(f"{unix_path}2", close_timeout=SHORT)
    listener.accept()
    writer.write(PAYLOAD)
    writer.close()
    await writer.wait_closed()
    assert f"{unix_path}2" in only_warning(caplog)


@pytest.mark.parametrize("writer_closes_too", [False, True])
async def test_wait_closed_after_transport_close_is_bounded(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, writer_closes_too: bool
) -> None:
    """X1: transport.close() starts the timeout like close()."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=SHORT) as (_, writer, _peer):
        writer.transport.close()
        if writer_closes_too:
            writer.close()
        await writer.wait_closed()
        assert names_both_addresses(only_warning(caplog), writer)


async def test_timeout_completes_waiters_that_started_before_close(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: the abort completes a wait_closed() and a drain() that started before close()."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=SHORT) as (_, writer, _peer):
        waiting = [asyncio.create_task(writer.wait_closed()), asyncio.create_task(writer.drain())]
        await asyncio.sleep(0)
        writer.close()
        assert await asyncio.gather(*waiting) == [None, None]
        assert names_both_addresses(only_warning(caplog), writer)


async def test_writer_on_the_protocol_of_asyncio_uses_the_default_timeout(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1, S12: asyncio.StreamReaderProtocol has no close_timeout, so 30 s apply."""
    with manual_timers(30.0) as timers:
        loop = asyncio.get_running_loop()
        listener = raw_peers.listen()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
        writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
        peer = listener.accept()
        writer.write(PAYLOAD)
        await wait_until_kernel_is_full(writer)
        writer.close()
        await abort_by(timers, writer)
        assert names_both_addresses(only_warning(caplog), writer)
        peer.close()


async def abort_by(timers: ManualTimers, writer: Any) -> None:
    """Fire the timer until the close ends. The peer's kernel may still acknowledge data, which restarts the timer."""
    closed = asyncio.create_task(writer.wait_closed())
    await asyncio.sleep(0)
    while not closed.done():
        timers.fire()
        await asyncio.sleep(0)
    assert await closed is None


async def wait_until_kernel_is_full(writer: Any) -> None:
    """Let the loop run until the kernel accepts no more; uvloop sends after the call of write()."""
    before = -1
    while before != writer.transport.get_write_buffer_size():
        before = writer.transport.get_write_buffer_size()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_time_starts_at_close_also_if_a_drain_waits_already(raw_peers: RawPeers) -> None:
    """A loop's own transport does not report its close, so a drain() that waits starts the timer."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, _peer):
        with manual_timers(MANUAL_DELAY) as timers:
            await wait_until_kernel_is_full(writer)
            draining = await start_task(writer.drain())
            before = timers.pending
            writer.close()
            assert len(timers.pending) == 1
            assert timers.pending != before
            await abort_by(timers, writer)
            await draining


async def close_with_full_kernel(writer: Any, peer: Any) -> asyncio.Task[None]:
    """Write more than the kernel accepts, close, and return the task that waits in wait_closed()."""
    shrink_kernel_buffers(writer, peer)
    writer.write(PAYLOAD)
    await wait_until_kernel_is_full(writer)
    writer.close()
    return asyncio.create_task(writer.wait_closed())


async def test_peer_that_reads_in_each_interval_is_not_aborted(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: progress restarts the timeout, however long the close takes in total."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
        with manual_timers(MANUAL_DELAY) as timers:
            received = bytearray()
            closed = await close_with_full_kernel(writer, peer)
            for _ in range(4):
                await receive_until_progress(writer, peer, received)
                assert writer.transport.get_write_buffer_size() > 0
                assert timers.fire() == 1
                await asyncio.sleep(0)
                assert not closed.done()
            peer.sock.settimeout(PEER_TIMEOUT)
            rest = asyncio.create_task(peer.in_thread(peer.receive_rest))
            await closed
            assert bytes(received) + await rest == PAYLOAD
            assert timers.pending == []
    assert logged_warnings(caplog) == []


async def test_peer_that_stops_reading_is_aborted_after_the_next_interval(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: progress in one interval does not extend the next."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
        with manual_timers(MANUAL_DELAY) as timers:
            received = bytearray()
            closed = await close_with_full_kernel(writer, peer)
            for _ in range(2):
                await receive_until_progress(writer, peer, received)
                await wait_until_kernel_is_full(writer)
                assert timers.fire() == 1
            assert not closed.done()
            # The kernel may still accept data, although the peer does not read any more.
            while not closed.done():
                await wait_until_kernel_is_full(writer)
                timers.fire()
            assert await closed is None
            assert names_both_addresses(only_warning(caplog), writer)
            assert timers.pending == []


@pytest.mark.skipif(sys.platform == "win32", reason="no TIOCOUTQ")
async def test_peer_that_reads_less_than_the_kernel_accepts_again_is_not_aborted(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: what the peer acknowledges is progress, also while the kernel accepts no more."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
        with manual_timers(MANUAL_DELAY) as timers:
            writer.write(PAYLOAD)
            await wait_until_kernel_is_full(writer)
            writer.close()
            pending, unacknowledged = writer.transport.get_write_buffer_size(), unacknowledged_bytes(writer.transport)
            # The loop does not run meanwhile, so the transport gives nothing to the kernel.
            while unacknowledged_bytes(writer.transport) >= unacknowledged:
                peer.receive(1 << 16)
            assert timers.fire() == 1
            assert writer.transport.get_write_buffer_size() == pending
            assert len(timers.pending) == 1
            await abort_by(timers, writer)
            only_warning(caplog)


async def test_data_that_the_kernel_accepts_and_the_peer_does_not_acknowledge_is_progress(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: the sum of both numbers has not decreased then."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, _peer):
        with manual_timers(MANUAL_DELAY) as timers:
            await wait_until_kernel_is_full(writer)
            transport = writer.transport
            counts = [(100, 100), (50, 150), (50, 150)]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("sluiceway._connection.close_timeout.pending_bytes", lambda _: counts[0][0])
                patch.setattr("sluiceway._connection.close_timeout.unacknowledged_bytes", lambda _: counts[0][1])
                writer.close()
                counts.pop(0)
                assert timers.fire() == 1
                assert len(timers.pending) == 1, "not aborted"
                counts.pop(0)
                assert timers.fire() == 1
                assert timers.pending == []
            await writer.wait_closed()
            assert transport.is_closing()
            assert "50 bytes unsent" in only_warning(caplog)


async def test_default_close_timeout_is_30_seconds(raw_peers: RawPeers) -> None:
    """X1: without the keyword, a timer of 30 s starts."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, _peer):
        with manual_timers(30.0) as timers:
            await wait_until_kernel_is_full(writer)
            writer.close()
            assert len(timers.pending) == 1
            await abort_by(timers, writer)


async def test_close_timeout_none_starts_no_timer(raw_peers: RawPeers) -> None:
    """X1: close() then waits for the peer without a bound."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=None) as (_, writer, peer):
        started = []
        loop: Any = asyncio.get_running_loop()
        original = loop.call_later
        loop.call_later = lambda delay, *rest, **more: started.append(delay) or original(delay, *rest, **more)
        try:
            writer.close()
            closed = asyncio.create_task(writer.wait_closed())
            await asyncio.sleep(0)
        finally:
            del loop.call_later
        assert started == []
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await closed
        assert await receiving == PAYLOAD


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
async def test_invalid_close_timeout_raises_value_error(timeout: float) -> None:
    """X1: the error is raised before anything is opened."""
    with pytest.raises(ValueError, match="close_timeout"):
        await sluiceway.open_connection("127.0.0.1", 9, close_timeout=timeout)
    with pytest.raises(ValueError, match="close_timeout"):
        await sluiceway.start_server(lambda *_: None, "127.0.0.1", 0, close_timeout=timeout)
    protocol = sluiceway.StreamReaderProtocol(sluiceway.StreamReader())
    with pytest.raises(ValueError, match="close_timeout"):
        protocol.close_timeout = timeout
    assert protocol.close_timeout == 30


async def test_timer_is_cancelled_when_the_connection_is_lost(raw_peers: RawPeers) -> None:
    """X1: a second close() starts no second timer."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
        with manual_timers(MANUAL_DELAY) as timers:
            writer.write(PAYLOAD)
            await wait_until_kernel_is_full(writer)
            writer.close()
            assert len(timers.pending) == 1
            writer.close()
            assert len(timers.pending) == 1
            peer.reset()
            await writer.wait_closed()
            assert timers.pending == []
            await close_discarding(writer)


class UninitializedTransport(asyncio.Transport):
    """A transport of a program that does not call the constructor of its base class, so that it has no extra info."""

    def __init__(self) -> None:
        self.closed = False

    def get_write_buffer_size(self) -> int:
        return 1

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class UnusualSocketTransport(UninitializedTransport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return object() if name == "socket" else default


@pytest.mark.parametrize("kind", [UninitializedTransport, UnusualSocketTransport])
async def test_transport_without_a_socket_is_closed_and_bounded(kind: type[UninitializedTransport]) -> None:
    """X1, S6: the unacknowledged bytes of such a transport are not known."""
    loop = asyncio.get_running_loop()
    with manual_timers(30.0) as timers:
        reader = sluiceway.StreamReader(loop=loop)
        protocol = sluiceway.StreamReaderProtocol(reader, loop=loop)
        transport = kind()
        writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
        writer.close()
        assert transport.closed
        assert len(timers.pending) == 1
        protocol.connection_lost(None)
        await writer.wait_closed()


@pytest.mark.parametrize("end", ["sent", "lost", "aborted"])
async def test_ended_timeout_is_dropped_after_set_protocol(raw_peers: RawPeers, end: str) -> None:
    """X1: otherwise the timeout and the connection, which does not notice its end then, keep each other alive."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=MANUAL_DELAY) as (_, writer, peer):
        with manual_timers(MANUAL_DELAY) as timers:
            await wait_until_kernel_is_full(writer)
            connection = writer._protocol._sluiceway
            other = EndedProtocol()
            writer.transport.set_protocol(other)
            writer.close()
            assert connection._close_timer is not None
            if end == "sent":
                receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
                await other.ended.wait()
                await receiving
            elif end == "lost":
                peer.reset()
                await other.ended.wait()
            while timers.fire():
                await asyncio.sleep(0)
            assert connection._close_timer is None
            await other.ended.wait()
        writer._protocol.connection_lost(None)


class EndedProtocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended.set()
