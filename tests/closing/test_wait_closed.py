"""X1: wait_closed() always completes; it raises errors from before close() and none from after it."""

import asyncio
import contextlib
import types
from typing import Any

import pytest

import sluiceway
from support.connections import connected_pair, server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.log_records import logged_warnings
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeers


async def test_wait_closed_returns_after_pending_data_was_sent(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a slow peer receives every byte, and the descriptor is closed when wait_closed() returns."""
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


async def test_close_without_pending_data_completes_on_both_sides(streams: types.ModuleType) -> None:
    """X1: the descriptors of both sides are closed."""
    async with connected_pair(streams) as ((_, writer), (far_reader, far)):
        descriptors = socket_descriptor(writer), socket_descriptor(far)
        writer.close()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptors[0])
        assert await far_reader.read() == b""
        far.close()
        await far.wait_closed()
        assert not is_descriptor_open(descriptors[1])


async def test_close_of_a_unix_connection_sends_data_and_closes(
    streams: types.ModuleType, raw_peers: RawPeers, unix_path: str
) -> None:
    """X1: the descriptor is closed when wait_closed() returns."""
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
    """X1: each wait_closed() raises a reset that a read raised before close(), as in asyncio."""
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
async def test_error_of_a_write_directly_before_close_is_raised(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: write() detects the reset, and close() follows in the same step.

    Not on uvloop, which sends at the end of the step: there the error occurs after the close.
    """
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        peer.reset()
        writer.write(b"into the void")
        writer.close()
        with pytest.raises(ConnectionError):
            await writer.wait_closed()


async def test_reset_that_was_not_detected_before_close_is_not_raised(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """X1: the kernel has received the reset, but no call has reported it when close() is called."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        peer.reset()
        writer.close()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


async def test_reset_after_the_close_is_not_raised(raw_peers: RawPeers) -> None:
    """X1: a reset while pending data is sent raises in neither present nor later wait_closed() calls."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        closed = [asyncio.create_task(writer.wait_closed()) for _ in range(3)]
        await asyncio.sleep(0)
        peer.reset()
        assert await asyncio.gather(*closed) == [None] * 3
        assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)


async def test_reset_after_close_is_raised_by_a_waiting_drain_only(raw_peers: RawPeers) -> None:
    """X1: wait_closed() returns, and the waiting drain() raises."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        draining = asyncio.create_task(writer.drain())
        await asyncio.sleep(0)
        writer.close()
        peer.reset()
        await writer.wait_closed()
        with pytest.raises(ConnectionError):
            await draining


async def test_close_while_another_task_drains_sends_pending_data(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    """X1: the waiting drain() completes with the close."""
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


async def test_wait_closed_before_close_waits_for_it(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a task may wait for another task to close the connection."""
    async with non_reading_peer(streams, raw_peers) as (_, writer, _peer):
        waiting = asyncio.create_task(writer.wait_closed())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        writer.close()
        assert await waiting is None


async def test_second_close_has_no_effect(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: before and after the close has completed. A second wait_closed() returns."""
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
async def test_wait_closed_after_transport_close_or_abort_returns(
    streams: types.ModuleType, raw_peers: RawPeers, end: str
) -> None:
    """X1: with and without a call of writer.close()."""
    for closes in (False, True):
        async with non_reading_peer(streams, raw_peers) as (_, writer, peer):
            descriptor = socket_descriptor(writer)
            getattr(writer.transport, end)()
            if closes:
                writer.close()
            await writer.wait_closed()
            assert not is_descriptor_open(descriptor)
            assert peer.receive_rest() == b""


async def test_abort_after_close_discards_pending_data(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: the peer reads nothing, and wait_closed() returns after the abort."""
    async with pending_writes(streams, raw_peers) as (_, writer, _peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        writer.transport.abort()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


async def test_wait_closed_does_not_return_at_the_peers_eof(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: wait_closed() waits for close() on this side."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, peer):
        waiting = asyncio.create_task(writer.wait_closed())
        peer.half_close()
        assert await reader.read() == b""
        assert not waiting.done()
        writer.close()
        await waiting


async def test_close_completes_while_reading_is_paused(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: unread data does not block the close."""
    async with non_reading_peer(streams, raw_peers, limit=1000) as (reader, writer, peer):
        peer.send(bytes(100_000))
        assert await reader.readexactly(1) == b"\0"
        descriptor = socket_descriptor(writer)
        writer.close()
        await writer.wait_closed()
        assert not is_descriptor_open(descriptor)


async def test_close_in_a_handler_sends_pending_data(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: in a coroutine handler with wait_closed(), and in a function handler without."""
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


async def test_pending_read_returns_eof_at_close(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    """X1: a read that waits while another task closes returns b""."""
    async with non_reading_peer(streams, raw_peers) as (reader, writer, _peer):
        reading = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()
        assert await reading == b""


async def open_with_asyncio_protocol(raw_peers: RawPeers) -> tuple[Any, Any, Any]:
    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
    return reader, sluiceway.StreamWriter(transport, protocol, reader, loop), listener.accept()


async def test_writer_on_the_protocol_of_asyncio_closes(raw_peers: RawPeers) -> None:
    """X1, S12: data is sent, the descriptor is closed, and wait_closed() returns twice."""
    _, writer, peer = await open_with_asyncio_protocol(raw_peers)
    descriptor = socket_descriptor(writer)
    writer.write(b"bye")
    writer.close()
    writer.close()
    await writer.wait_closed()
    await writer.wait_closed()
    assert not is_descriptor_open(descriptor)
    assert peer.receive_rest() == b"bye"


@pytest.mark.parametrize("waits", ["before the reset", "after the reset"])
async def test_reset_after_close_on_the_protocol_of_asyncio_is_not_raised(raw_peers: RawPeers, waits: str) -> None:
    """X1, S12: whether wait_closed() is called before or after the reset."""
    reader, writer, peer = await open_with_asyncio_protocol(raw_peers)
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


async def test_reset_before_close_on_the_protocol_of_asyncio_is_raised(raw_peers: RawPeers) -> None:
    """X1, S12: wait_closed() raises a reset that a read raised before close()."""
    reader, writer, peer = await open_with_asyncio_protocol(raw_peers)
    peer.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_close_after_the_future_of_asyncio_was_cancelled_closes(raw_peers: RawPeers) -> None:
    """S12: a cancelled wait_closed() of asyncio.StreamWriter cancels the future of the protocol."""
    _, writer, peer = await open_with_asyncio_protocol(raw_peers)
    writer._protocol._get_close_waiter(writer).cancel()
    writer.close()
    assert await peer.in_thread(peer.receive_rest) == b""


async def test_cancelled_wait_on_the_protocol_of_asyncio_leaves_the_others_waiting(raw_peers: RawPeers) -> None:
    """X6, S12: the waiters of asyncio.StreamReaderProtocol share one future, which is not cancelled."""
    _, writer, _peer = await open_with_asyncio_protocol(raw_peers)
    waiting = [asyncio.create_task(writer.wait_closed()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    writer.close()
    assert await asyncio.gather(*waiting[1:]) == [None, None]


async def test_normal_close_and_reset_after_close_are_not_logged(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    """X1: no warning for a close that sends all data, nor for a reset after close()."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await writer.wait_closed()
        await receiving
    async with pending_writes(sluiceway, raw_peers) as (_, writer, peer):
        writer.close()
        peer.reset()
        await writer.wait_closed()
    assert logged_warnings(caplog) == []
