"""W5: writes after close() or to a lost connection are discarded; drain() raises; one log record reports it."""

import contextlib
import types
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.log_records import logged_warnings, names_both_addresses, only_warning
from support.non_reading_peer import non_reading_peer, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


@pytest.mark.reference_fails(
    "W5", "uvloop sends what is written in the step of the close", when=lambda kind: kind == "uvloop"
)
async def test_writes_after_close_are_discarded_and_drain_raises(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """W5: write() after close() raises nothing and sends nothing, as in asyncio."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write(b"before")
        writer.close()
        for _ in range(3):
            writer.write(b"after")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        await writer.wait_closed()
        writer.write(b"long after")
        assert peer.receive_rest() == b"before"


def by_write(writer: Any) -> None:
    writer.write(b"dropped")


def by_writelines(writer: Any) -> None:
    writer.writelines([b"drop", b"", b"ped"])


@pytest.mark.parametrize("send", [by_write, by_writelines])
async def test_writes_after_close_are_logged_once(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, send: Callable[[Any], None]
) -> None:
    """W5: one record with both addresses for all writes, before and after the close has completed."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.close()
        for _ in range(10):
            send(writer)
        await writer.wait_closed()
        for _ in range(10):
            send(writer)
        assert names_both_addresses(only_warning(caplog), writer)


async def test_empty_writes_after_close_are_not_logged(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: an empty write discards nothing."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.write(b"all of it")
        writer.close()
        writer.write(b"")
        writer.writelines([])
        writer.writelines([b"", b""])
        await writer.wait_closed()
        assert peer.receive_rest() == b"all of it"
        assert logged_warnings(caplog) == []


async def test_discarded_writes_are_logged_once_per_connection(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: the record of one connection does not suppress that of the next."""
    writers = []
    for _ in range(3):
        async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
            writer.close()
            writer.write(b"dropped")
            writer.write(b"dropped")
            await writer.wait_closed()
            writers.append(writer)
    messages = [record.getMessage() for record in logged_warnings(caplog)]
    assert len(messages) == 3
    assert all(names_both_addresses(message, writer) for message, writer in zip(messages, writers, strict=True))


async def test_writes_after_a_received_reset_are_logged_once(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: after a read has raised the reset, there is one record and none of asyncio's."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        for _ in range(20):
            writer.write(b"dropped")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert names_both_addresses(only_warning(caplog), writer)


async def test_writes_that_detect_a_reset_are_logged_once(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: a burst of writes in one step detects the reset that no read has seen."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        peer.reset()
        for _ in range(20):
            writer.write(b"dropped")
        with pytest.raises(ConnectionError):
            while True:
                await writer.drain()
                writer.write(bytes(100_000))
        for _ in range(20):
            writer.write(b"dropped")
        assert names_both_addresses(only_warning(caplog), writer)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_writes_after_transport_close_or_abort_are_logged_once(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    """W5: closing or aborting the transport counts like close()."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        getattr(writer.transport, end)()
        for _ in range(20):
            writer.write(b"dropped")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        for _ in range(20):
            writer.write(b"dropped")
        assert names_both_addresses(only_warning(caplog), writer)


async def test_writes_after_close_while_data_is_pending_are_discarded_and_logged_once(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: later writes are discarded although earlier data is still being sent."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, _peer):
        writer.close()
        pending = writer.transport.get_write_buffer_size()
        for _ in range(20):
            writer.write(b"dropped")
        assert writer.transport.get_write_buffer_size() == pending
        assert names_both_addresses(only_warning(caplog), writer)


def tls_connected_pair(tls: Any) -> Any:
    named = {"ssl": tls.client_context, "server_hostname": "localhost"}
    return connected_pair(sluiceway, server={"ssl": tls.server_context}, client=named)


async def test_writes_after_abort_over_tls_are_logged_once(caplog: pytest.LogCaptureFixture, tls: Any) -> None:
    """W5: no write reaches the transport below, which would log each."""
    async with tls_connected_pair(tls) as ((_, writer), _):
        writer.transport.abort()
        for _ in range(20):
            writer.write(b"dropped")
        assert names_both_addresses(only_warning(caplog), writer)


async def test_writes_after_close_over_tls_are_logged_once(caplog: pytest.LogCaptureFixture, tls: Any) -> None:
    """W5: both sides log one record with both addresses, although TLS clears its peer name when it closes."""
    async with tls_connected_pair(tls) as ((_, writer), (far_reader, far)):
        writer.close()
        for _ in range(20):
            writer.write(b"dropped")
        await writer.wait_closed()
        for _ in range(20):
            writer.write(b"dropped")
        assert names_both_addresses(only_warning(caplog), writer)
        caplog.clear()
        assert await far_reader.read() == b""
        far.close()
        await far.wait_closed()
        for _ in range(20):
            far.write(b"dropped")
        assert names_both_addresses(only_warning(caplog), far)


async def open_unix_writer(raw_peers: RawPeers, unix_path: str) -> sluiceway.StreamWriter:
    """Return the writer of a connection to a peer that sends nothing."""
    listener = raw_peers.listen(unix=unix_path)
    _, writer = await sluiceway.open_unix_connection(unix_path)
    listener.accept()
    return writer


async def test_log_record_of_a_unix_connection_names_the_path(
    raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: the path identifies a Unix connection."""
    writer = await open_unix_writer(raw_peers, unix_path)
    writer.close()
    writer.write(b"dropped")
    await writer.wait_closed()
    assert unix_path in only_warning(caplog)


async def test_write_long_after_the_connection_was_lost_is_logged(
    raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: the record does not need the transport, which has lost its addresses by then."""
    writer = await open_unix_writer(raw_peers, unix_path)
    # uvloop keeps the socket that it returns here, and would ask it for the name of a closed descriptor.
    assert writer.get_extra_info("socket").fileno() >= 0
    writer.transport.abort()
    await run_iterations(5)
    writer.write(b"dropped")
    assert " is lost: discarded 7 bytes; " in only_warning(caplog)
    writer.close()
    await writer.wait_closed()


async def test_log_record_after_the_close_of_a_unix_connection_names_the_path(
    raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: nothing has read the addresses before the close, after which uvloop's own transports do not know them."""
    writer = await open_unix_writer(raw_peers, unix_path)
    writer.close()
    await writer.wait_closed()
    writer.write(b"1")
    assert f"connection an unnamed socket -> {unix_path} is closed: discarded 1 byte; " in only_warning(caplog)


@pytest.mark.loops("debug")
async def test_log_record_in_debug_mode_shows_where_the_connection_was_opened(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: the stack is in the order of a traceback and includes the caller's line."""
    async with opened_here(raw_peers) as writer:
        writer.close()
        writer.write(b"dropped")
        lines = [line.strip() for line in only_warning(caplog).splitlines()]
    outer = lines.index("async with opened_here(raw_peers) as writer:")
    inner = lines.index("_, writer = await sluiceway.open_connection(*listener.address)  # opened here")
    assert outer < inner


@pytest.mark.loops("asyncio")
async def test_log_record_without_debug_mode_is_one_line(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: the stack is collected in debug mode only."""
    async with opened_here(raw_peers) as writer:
        writer.close()
        writer.write(b"dropped")
        assert len(only_warning(caplog).splitlines()) == 1


@contextlib.asynccontextmanager
async def opened_here(raw_peers: RawPeers) -> AsyncIterator[Any]:
    """Yield the writer of a connection that a line of this file opened."""
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)  # opened here
    yield writer
    writer.close()
    await writer.wait_closed()
