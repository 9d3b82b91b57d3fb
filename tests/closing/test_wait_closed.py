"""X1: close() and wait_closed() always end, with what came before the close and nothing that came after."""

import asyncio
import contextlib
import logging
import types
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair, server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers


async def test_everything_is_flushed(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a peer that reads late has every byte, and the descriptor is closed when wait_closed returns."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        closed = asyncio.create_task(writer.wait_closed())
        await asyncio.sleep(0)
        assert not closed.done()
        assert is_descriptor_open(descriptor)
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        assert await closed is None
        assert not is_descriptor_open(descriptor)
        assert await receiving == PAYLOAD


async def test_nothing_to_flush(streams: types.ModuleType) -> None:
    """X1: the plain case on both sides."""
    async with connected_pair(streams) as ((_, writer), (far_reader, far)):
        descriptors = socket_descriptor(writer), socket_descriptor(far)
        writer.close()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptors[0])
        assert await far_reader.read() == b""
        far.close()
        await far.wait_closed()
        assert not is_descriptor_open(descriptors[1])


async def test_unix(streams: types.ModuleType, raw_peers: RawPeers, unix_path: str) -> None:
    """X1: over a Unix socket."""
    listener = raw_peers.listen(unix=unix_path)
    _, writer = await streams.open_unix_connection(unix_path)
    peer = listener.accept()
    descriptor = socket_descriptor(writer)
    writer.write(b"bye")
    writer.close()
    await writer.wait_closed()
    assert not is_descriptor_open(descriptor)
    assert peer.receive_rest() == b"bye"


async def test_error_before_the_close_is_raised(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: the peer's reset was seen before close(): every wait_closed raises it, as in CPython."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        descriptor = socket_descriptor(writer)
        peer.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_error_in_the_step_of_the_close_is_raised(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: write() ran into the peer's reset and close() comes right after: the error came before it.

    (uvloop writes at the end of the step, so there the error comes after the close.)
    """
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        peer.reset()
        writer.write(b"into the void")
        writer.close()
        with pytest.raises(ConnectionError):
            await writer.wait_closed()


async def test_unseen_reset_before_the_close(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a reset that is in the kernel and that nobody has seen when close() is called is not raised."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        peer.reset()
        writer.close()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


async def test_reset_after_the_close_is_not_raised(raw_peers: RawPeers) -> None:
    """X1: the peer resets while we flush: the end, without an error, for all who wait and who ask later."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        closed = [asyncio.create_task(writer.wait_closed()) for _ in range(3)]
        await asyncio.sleep(0)
        peer.reset()
        assert await asyncio.gather(*closed) == [None] * 3
        assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)


async def test_reset_after_the_close_with_a_drain_waiting(raw_peers: RawPeers) -> None:
    """X1: the drain is told, wait_closed is not."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        writer.close()
        peer.reset()
        await writer.wait_closed()
        with pytest.raises(ConnectionError):
            await draining


async def test_close_from_another_task_while_a_drain_waits(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: close() flushes all the same; the drain ends with it."""
    async with pending_writes(streams, raw_peers) as (_, writer, peer):
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)

        async def close() -> None:
            writer.close()
            await writer.wait_closed()

        closing = asyncio.create_task(close())
        await asyncio.sleep(0)
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await closing
        with contextlib.suppress(ConnectionResetError):
            await draining
        assert await receiving == PAYLOAD


async def test_wait_closed_before_close(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a task may wait for the end of a connection that somebody else closes."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        waiting = asyncio.create_task(writer.wait_closed())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        writer.close()
        assert await waiting is None


async def test_close_twice(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: close() again, before and after the end, is harmless; a second wait_closed returns at once."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        writer.write(b"once")
        writer.close()
        writer.close()
        await writer.wait_closed()
        writer.close()
        await writer.wait_closed()
        assert writer.is_closing()
        assert peer.receive_rest() == b"once"


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_transport_ended_by_the_program(streams: types.ModuleType, raw_peers: RawPeers, end: str) -> None:
    """X1: transport.close() or transport.abort(), then wait_closed, with and without writer.close()."""
    for closes in (False, True):
        async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
            descriptor = socket_descriptor(writer)
            getattr(writer.transport, end)()
            if closes:
                writer.close()
            await writer.wait_closed()
            assert not is_descriptor_open(descriptor)
            assert peer.receive_rest() == b""


async def test_abort_drops_the_backlog(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: after close() an abort of the transport ends the flush."""
    async with pending_writes(streams, raw_peers) as (_, writer, _peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        writer.transport.abort()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


async def test_peers_end_is_no_end_of_ours(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: wait_closed waits for our close, not for the peer's FIN."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        waiting = asyncio.create_task(writer.wait_closed())
        peer.half_close()
        assert await reader.read() == b""
        assert not waiting.done()
        writer.close()
        await waiting


async def test_unread_input_does_not_hold_the_close(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: reading is paused since nobody reads; closing goes on without it."""
    async with non_reading_peer(streams, raw_peers, limit=1000) as (reader, writer, peer):
        peer.send(bytes(100_000))
        assert await reader.readexactly(1) == b"\0"
        descriptor = socket_descriptor(writer)
        writer.close()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


async def test_close_in_the_handler(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a handler closes and waits, with bytes to flush; so does one that is a plain function."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        done.set_result(None)

    async with await streams.start_server(handle, "127.0.0.1", 0) as server:
        peer = raw_peers.connect(server_address(server))
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD
        await done

    def plain(_reader: Any, writer: Any) -> None:
        writer.write(b"and bye")
        writer.close()

    async with await streams.start_server(plain, "127.0.0.1", 0) as server:
        peer = raw_peers.connect(server_address(server))
        assert await peer.in_thread(peer.receive_rest) == b"and bye"


async def test_pending_read_ends_with_the_close(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a task that reads while another closes sees the end of input."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, _peer):
        reading = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
        assert await reading == b""


async def _with_asyncios_protocol(raw_peers: RawPeers) -> tuple[Any, Any, Any]:
    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
    return reader, sluiceway.StreamWriter(transport, protocol, reader, loop), listener.accept()


async def test_asyncios_protocol(raw_peers: RawPeers) -> None:
    """X1, S12: our writer on asyncio's own protocol: flushed, closed, returned."""
    _, writer, peer = await _with_asyncios_protocol(raw_peers)
    descriptor = socket_descriptor(writer)
    writer.write(b"bye")
    writer.close()
    writer.close()
    await writer.wait_closed()
    await writer.wait_closed()
    assert not is_descriptor_open(descriptor)
    assert peer.receive_rest() == b"bye"


@pytest.mark.parametrize("waits", ["before the reset", "after it"])
async def test_asyncios_protocol_and_a_reset_after_the_close(raw_peers: RawPeers, waits: str) -> None:
    """X1, S12: what the peer does after close is not raised there either, whenever wait_closed is called."""
    reader, writer, peer = await _with_asyncios_protocol(raw_peers)
    writer.write(PAYLOAD)
    writer.close()
    if waits == "before the reset":
        closed = asyncio.create_task(writer.wait_closed())
        await asyncio.sleep(0)
        peer.reset()
        assert await closed is None
    else:
        peer.reset()
        with pytest.raises(ConnectionError):
            await reader.read()
        assert await writer.wait_closed() is None


async def test_asyncios_protocol_and_a_reset_before_the_close(raw_peers: RawPeers) -> None:
    """X1, S12: an error that came before is raised there too."""
    reader, writer, peer = await _with_asyncios_protocol(raw_peers)
    peer.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_asyncios_protocol_and_a_cancelled_wait(raw_peers: RawPeers) -> None:
    """X6, S12: on asyncio's protocol, whose waiters share one future, a cancelled wait cancels nobody else."""
    _, writer, _peer = await _with_asyncios_protocol(raw_peers)
    waiting = [asyncio.create_task(writer.wait_closed()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    writer.close()
    assert await asyncio.gather(*waiting[1:]) == [None, None]


async def test_closing_says_nothing(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1: an end that is no trouble makes no record."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await writer.wait_closed()
        await receiving
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        peer.reset()
        await writer.wait_closed()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
