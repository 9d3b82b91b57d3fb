"""X1: a closing connection of which the kernel takes not one byte for close_timeout is aborted; any other is not."""

import asyncio
import logging
import socket
from typing import Any

import pytest

import sluiceway
from support.connections import close_discarding, server_address
from support.file_descriptors import is_descriptor_open, socket_descriptor
from support.manual_timers import manual_timers
from support.non_reading_peer import PAYLOAD, non_reading_peer, pending_writes
from support.raw_peer import RawPeer, RawPeers

SOON = 0.05

# Seconds that no other timer has.
HELD = 12345.0


def only_record(caplog: pytest.LogCaptureFixture) -> str:
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in records] == ["sluiceway"], records
    return records[0].getMessage()


def named(writer: Any, message: str) -> bool:
    ends = [writer.get_extra_info(end) for end in ("sockname", "peername")]
    return all(f"{host}:{port}" in message for host, port in ends)


async def test_peer_that_never_reads(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1: aborted, told once with the connection's name, wait_closed returns, the descriptor is closed."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=SOON) as (_, writer, peer):
        descriptor = socket_descriptor(writer)
        writer.close()
        assert await writer.wait_closed() is None
        assert not is_descriptor_open(descriptor)
        assert named(writer, only_record(caplog))
        assert len(peer.receive_rest()) < len(PAYLOAD)


async def test_server_side(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1: a server's close_timeout is that of the connections it accepts; its handlers come to an end."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        ended.set_result(writer)

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, close_timeout=SOON) as server:
        raw_peers.connect(server_address(server))
        assert named(await ended, only_record(caplog))


async def test_unix(raw_peers: RawPeers, unix_path: str, caplog: pytest.LogCaptureFixture) -> None:
    """X1: over a Unix socket, both close_timeout keywords."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(_reader: Any, writer: Any) -> None:
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        ended.set_result(None)

    async with await sluiceway.start_unix_server(handle, unix_path, close_timeout=SOON):
        raw_peers.connect(unix_path)
        await ended
    assert unix_path in only_record(caplog)
    caplog.clear()
    listener = raw_peers.listen(unix=f"{unix_path}2")
    _, writer = await sluiceway.open_unix_connection(f"{unix_path}2", close_timeout=SOON)
    listener.accept()
    writer.write(PAYLOAD)
    writer.close()
    await writer.wait_closed()
    assert f"{unix_path}2" in only_record(caplog)


@pytest.mark.parametrize("writer_closes_too", [False, True])
async def test_transport_closed_by_the_program(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, writer_closes_too: bool
) -> None:
    """X1: transport.close(), then wait_closed: bounded as well."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=SOON) as (_, writer, _peer):
        writer.transport.close()
        if writer_closes_too:
            writer.close()
        await writer.wait_closed()
        assert named(writer, only_record(caplog))


async def test_wait_closed_that_began_before(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1: whoever waited before close() was called is told by the same abort; a waiting drain too."""
    async with pending_writes(sluiceway, raw_peers, close_timeout=SOON) as (_, writer, _peer):
        waiting = [asyncio.create_task(writer.wait_closed()), asyncio.create_task(writer.drain())]
        await asyncio.sleep(0)
        writer.close()
        assert await asyncio.gather(*waiting) == [None, None]
        assert named(writer, only_record(caplog))


async def test_asyncios_protocol(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1, S12: our writer on asyncio's own protocol is bounded by the default."""
    with manual_timers(30.0) as timers:
        loop = asyncio.get_running_loop()
        listener = raw_peers.listen()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, *listener.address)
        writer = sluiceway.StreamWriter(transport, protocol, reader, loop)
        peer = listener.accept()
        writer.write(PAYLOAD)
        await _settled(writer)
        writer.close()
        closed = asyncio.create_task(writer.wait_closed())
        await asyncio.sleep(0)
        assert timers.fire() == 1
        assert await closed is None
        assert named(writer, only_record(caplog))
        peer.close()


async def _settled(writer: Any) -> None:
    """Until the kernel has taken what it takes: uvloop writes later than in the call."""
    before = -1
    while before != writer.transport.get_write_buffer_size():
        before = writer.transport.get_write_buffer_size()
        for _ in range(3):
            await asyncio.sleep(0)


def _small_buffers(writer: Any, peer: RawPeer) -> None:
    """Let the kernel hold little, so that PAYLOAD is good for many steps."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)


async def _take_some(writer: Any, peer: RawPeer, received: bytearray) -> None:
    """Let the peer read until the kernel takes more of ours."""
    before = writer.transport.get_write_buffer_size()
    peer.sock.setblocking(False)
    while writer.transport.get_write_buffer_size() == before:
        try:
            received += peer.sock.recv(1 << 16)
        except BlockingIOError:
            pass
        await asyncio.sleep(0)


async def test_slow_peer_is_not_aborted(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1: a peer that takes something in each interval is waited for, however long it takes in all."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=HELD) as (_, writer, peer):
        with manual_timers(HELD) as timers:
            received = bytearray()
            _small_buffers(writer, peer)
            writer.write(PAYLOAD)
            await _settled(writer)
            writer.close()
            closed = asyncio.create_task(writer.wait_closed())
            for _ in range(4):
                await _take_some(writer, peer, received)
                assert writer.transport.get_write_buffer_size() > 0
                assert timers.fire() == 1
                await asyncio.sleep(0)
                assert not closed.done()
            peer.sock.settimeout(10)
            rest = asyncio.create_task(peer.in_thread(peer.receive_rest))
            await closed
            assert bytes(received) + await rest == PAYLOAD
            assert timers.pending == []
    assert caplog.records == [] or all(record.levelno < logging.WARNING for record in caplog.records)


async def test_peer_that_stops_after_a_while(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    """X1: progress in one interval is no credit for the next."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=HELD) as (_, writer, peer):
        with manual_timers(HELD) as timers:
            received = bytearray()
            _small_buffers(writer, peer)
            writer.write(PAYLOAD)
            await _settled(writer)
            writer.close()
            closed = asyncio.create_task(writer.wait_closed())
            for _ in range(2):
                await _take_some(writer, peer, received)
                await _settled(writer)
                assert timers.fire() == 1
            assert not closed.done()
            # The kernel may still take some of what it had no time for; the peer takes nothing any more.
            while not closed.done():
                await _settled(writer)
                timers.fire()
            assert await closed is None
            assert named(writer, only_record(caplog))
            assert timers.pending == []


async def test_default_is_thirty_seconds(raw_peers: RawPeers) -> None:
    """X1: without close_timeout, 30 s, on both sides."""
    async with pending_writes(sluiceway, raw_peers) as (_, writer, _peer):
        with manual_timers(30.0) as timers:
            await _settled(writer)
            writer.close()
            assert timers.fire() == 1
            await writer.wait_closed()


async def test_none_is_no_bound(raw_peers: RawPeers) -> None:
    """X1: close_timeout=None starts no timer at all."""
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


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
async def test_bad_close_timeout(wrong: float) -> None:
    """A ValueError that says what is accepted, before anything is opened."""
    with pytest.raises(ValueError, match="close_timeout"):
        await sluiceway.open_connection("127.0.0.1", 9, close_timeout=wrong)
    with pytest.raises(ValueError, match="close_timeout"):
        await sluiceway.start_server(lambda *_: None, "127.0.0.1", 0, close_timeout=wrong)


async def test_timer_ends_with_the_connection(raw_peers: RawPeers) -> None:
    """X1: no timer outlives what it watches."""
    async with non_reading_peer(sluiceway, raw_peers, close_timeout=HELD) as (_, writer, peer):
        with manual_timers(HELD) as timers:
            writer.write(PAYLOAD)
            await _settled(writer)
            writer.close()
            assert len(timers.pending) == 1
            writer.close()
            assert len(timers.pending) == 1
            peer.reset()
            await writer.wait_closed()
            assert timers.pending == []
            await close_discarding(writer)
