"""W5: what is written after close or to a dead peer is dropped, drain raises, and one record says so."""

import contextlib
import logging
import types
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair
from support.non_reading_peer import non_reading_peer, pending_writes
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Everything of warning or above, by whichever logger: asyncio's own lines about the same would be noise."""
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def only_record(caplog: pytest.LogCaptureFixture) -> str:
    """The message of the one record, which is sluiceway's."""
    records = told(caplog)
    assert [(record.name, record.levelname) for record in records] == [("sluiceway", "WARNING")], records
    return records[0].getMessage()


def names(message: str, writer: Any) -> bool:
    """Whether both ends of the connection are named."""
    ends = [writer.get_extra_info(end) for end in ("sockname", "peername")]
    return all(f"{host}:{port}" in message for host, port in ends)


@pytest.mark.reference_fails(
    "W5", "uvloop sends what is written in the step of the close", when=lambda kind: kind == "uvloop"
)
async def test_dropped_after_close(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """W5: as in CPython: no error at the call, nothing arrives, drain raises."""
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


def _by_write(writer: Any) -> None:
    writer.write(b"dropped")


def _by_writelines(writer: Any) -> None:
    writer.writelines([b"drop", b"", b"ped"])


@pytest.mark.parametrize("send", [_by_write, _by_writelines])
async def test_one_record_after_close(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, send: Callable[[Any], None]
) -> None:
    """W5: twenty writes after close, before and after it is done: one record, both ends named."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        writer.close()
        for _ in range(10):
            send(writer)
        await writer.wait_closed()
        for _ in range(10):
            send(writer)
        assert names(only_record(caplog), writer)


async def test_no_record_where_nothing_is_dropped(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: empty writes after close lose nothing, and neither does a close with a backlog."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, peer):
        writer.write(b"all of it")
        writer.close()
        writer.write(b"")
        writer.writelines([])
        writer.writelines([b"", b""])
        await writer.wait_closed()
        assert peer.receive_rest() == b"all of it"
        assert told(caplog) == []


async def test_one_record_each_connection(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: the record belongs to the connection; the next connection has its own."""
    writers = []
    for _ in range(3):
        async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
            writer.close()
            writer.write(b"dropped")
            writer.write(b"dropped")
            await writer.wait_closed()
            writers.append(writer)
    messages = [record.getMessage() for record in told(caplog)]
    assert len(messages) == 3
    assert all(names(message, writer) for message, writer in zip(messages, writers, strict=True))


async def test_one_record_after_the_peers_reset(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: to a peer whose reset was seen: one record, no lines of asyncio's."""
    async with non_reading_peer(sluiceway, raw_peers) as (reader, writer, peer):
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        for _ in range(20):
            writer.write(b"dropped")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        assert names(only_record(caplog), writer)


async def test_one_record_where_writing_finds_the_peer_dead(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: the reset is there and nobody has looked: a burst of writes without a turn of the loop finds it."""
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
        assert names(only_record(caplog), writer)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_one_record_where_the_transport_was_ended(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    """W5: somebody called transport.close() or transport.abort() itself."""
    async with non_reading_peer(sluiceway, raw_peers) as (_, writer, _peer):
        getattr(writer.transport, end)()
        for _ in range(20):
            writer.write(b"dropped")
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        for _ in range(20):
            writer.write(b"dropped")
        assert names(only_record(caplog), writer)


async def test_one_record_after_close_with_a_backlog(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: what comes after close is dropped though what was before it is still being sent."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, _peer):
        writer.close()
        pending = writer.transport.get_write_buffer_size()
        for _ in range(20):
            writer.write(b"dropped")
        assert writer.transport.get_write_buffer_size() == pending
        assert names(only_record(caplog), writer)


async def test_one_record_over_tls(caplog: pytest.LogCaptureFixture, tls: Any) -> None:
    """W5: the same on both sides of TLS, which forgets its peer when it is closed."""
    async with connected_pair(
        sluiceway,
        server={"ssl": tls.server_context},
        client={"ssl": tls.client_context, "server_hostname": "localhost"},
    ) as ((_, writer), (far_reader, far)):
        writer.close()
        for _ in range(20):
            writer.write(b"dropped")
        await writer.wait_closed()
        for _ in range(20):
            writer.write(b"dropped")
        assert names(only_record(caplog), writer)
        caplog.clear()
        assert await far_reader.read() == b""
        far.close()
        await far.wait_closed()
        for _ in range(20):
            far.write(b"dropped")
        assert names(only_record(caplog), far)


async def test_record_of_a_unix_connection_names_the_path(
    raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """W5: a Unix connection is named by its path."""
    listener = raw_peers.listen(unix=unix_path)
    _, writer = await sluiceway.open_unix_connection(unix_path)
    listener.accept()
    writer.close()
    writer.write(b"dropped")
    await writer.wait_closed()
    assert unix_path in only_record(caplog)


async def test_record_long_after_the_end(raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture) -> None:
    """W5: written when the transport cannot be asked any more how the connection was called."""
    listener = raw_peers.listen(unix=unix_path)
    _, writer = await sluiceway.open_unix_connection(unix_path)
    listener.accept()
    # uvloop keeps what it gave out here, and asks it for the name of the descriptor that is closed by then.
    assert writer.get_extra_info("socket").fileno() >= 0
    writer.transport.abort()
    await run_iterations(5)
    writer.write(b"dropped")
    assert "7 bytes written after it was lost were dropped" in only_record(caplog)
    writer.close()
    await writer.wait_closed()


@pytest.mark.loops("debug")
async def test_record_says_where_the_connection_was_made(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: in debug mode, outermost first as in a traceback, the caller's line included."""
    async with made_here(raw_peers) as writer:
        writer.close()
        writer.write(b"dropped")
        lines = [line.strip() for line in only_record(caplog).splitlines()]
    outer = lines.index("async with made_here(raw_peers) as writer:")
    inner = lines.index("_, writer = await sluiceway.open_connection(*listener.address)  # made here")
    assert outer < inner


@pytest.mark.loops("asyncio")
async def test_record_is_one_line_without_debug(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """W5: collecting stacks is for debug mode."""
    async with made_here(raw_peers) as writer:
        writer.close()
        writer.write(b"dropped")
        assert len(only_record(caplog).splitlines()) == 1


@contextlib.asynccontextmanager
async def made_here(raw_peers: RawPeers) -> AsyncIterator[Any]:
    """A connection that a line of this file has made."""
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)  # made here
    yield writer
    writer.close()
    await writer.wait_closed()
