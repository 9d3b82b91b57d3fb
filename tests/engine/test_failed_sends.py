"""Data that the kernel has received before a send fails is delivered (contract R2)."""

import asyncio
import gc
import os
import socket
import weakref
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import loops_with_immediate_wakeup
from sluiceway._transports.epoll.transport import attach
from stream.streams import peer_stream
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations

LIMIT = 10


def end(stream: Any) -> None:
    """End both directions of the connection of ``stream`` below it, as if its process had ended."""
    with socket.socket(fileno=os.dup(stream.writer.get_extra_info("socket").fileno())) as below:
        below.shutdown(socket.SHUT_RDWR)


async def upgrade(client: Any, server: Any, tls: Any) -> None:
    accepting = server.start_tls(tls.server_context, server_side=True)
    await asyncio.gather(client.start_tls(tls.client_context, server_hostname="localhost"), accepting)


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_answer_that_arrived_before_failed_send_is_read(kind: str, tls: Any) -> None:
    async with sluiceway.pair() as (first, second):
        if kind == "TLS":
            await upgrade(first, second, tls)
        # In an iteration of the loop, and not in a step, in which writes are corked.
        await asyncio.sleep(0)
        second.writer.write(b"refused\nrest")
        end(second)
        first.writer.write(b"more")
        await _read_answer_and_error(first, BrokenPipeError)


@pytest.mark.parametrize(("layers", "closes"), [(0, False), (1, False), (2, False), (1, True), (2, True)])
async def test_drain_after_failed_send_does_not_discard_answer(layers: int, closes: bool, tls: Any) -> None:
    """drain() finds that the connection is ending before its end is reported, and what has arrived delivered."""
    async with sluiceway.pair() as (first, second):
        for _ in range(layers):
            await upgrade(first, second, tls)
        await asyncio.sleep(0)
        second.writer.write(b"refused\nrest")
        if closes:
            # A close_notify alert follows the answer.
            second.writer.close()
        end(second)
        first.writer.write(b"more")
        with pytest.raises(ConnectionError):
            await first.writer.drain()
        assert await first.read_line() == b"refused\n"
        assert await first.read(100) == b"rest"


async def test_answer_that_arrived_before_reset_of_sendfile_is_read(raw_peers: RawPeers) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        peer.send(b"refused\nrest")
        peer.reset()
        with open(__file__, "rb") as file, pytest.raises(ConnectionResetError):
            await stream.sendfile(file)
        await _read_answer_and_error(stream, ConnectionResetError)


async def _read_answer_and_error(stream: Any, error: type[OSError]) -> None:
    assert await stream.read_line() == b"refused\n"
    assert await stream.read(100) == b"rest"
    with pytest.raises(error):
        await stream.read(100)
    assert stream.eof_reason == "reset"


async def test_waiting_read_returns_answer_that_arrived_before_failed_send() -> None:
    async with sluiceway.pair() as (first, second):
        reading = asyncio.create_task(first.read_line())
        await asyncio.sleep(0)
        second.writer.write(b"refused\n")
        end(second)
        first.writer.write(b"more")
        assert await reading == b"refused\n"


async def test_data_before_failed_send_is_bounded_by_limit() -> None:
    async with sluiceway.pair(limit=LIMIT) as (first, second):
        await asyncio.sleep(0)
        second.writer.write(bytes(100_000))
        end(second)
        first.writer.write(b"more")
        await asyncio.sleep(0)
        assert LIMIT < len(first.reader._buffer) <= 2 * LIMIT + 4096


async def test_record_longer_than_limit_is_read_after_failed_send(tls: Any) -> None:
    async with sluiceway.pair(limit=LIMIT) as (first, second):
        await upgrade(first, second, tls)
        await asyncio.sleep(0)
        second.writer.write(bytes(8000))
        end(second)
        first.writer.write(b"more")
        # A waiting read would get more room.
        await run_iterations()
        assert await first.read_exactly(8000) == bytes(8000)


async def test_peer_that_goes_on_sending_does_not_delay_end_after_failed_send() -> None:
    """Without a bound, a peer that is as fast as this program would stop all its other tasks."""
    ours, peer = socket.socketpair()
    sock = _Refilled(fileno=ours.detach())
    reader, writer = await sluiceway.open_connection(sock=sock)
    dropping = asyncio.create_task(sluiceway.Stream.from_pair(reader, writer).skip(1 << 40))
    await asyncio.sleep(0)
    # The peer can send, but not receive.
    peer.shutdown(socket.SHUT_RD)
    sock.peer, sock.refills = peer, 200
    writer.write(b"more")
    with pytest.raises(BrokenPipeError):
        await dropping
    assert sock.refills > 100
    peer.close()


class _Refilled(socket.socket):
    """Receives more from the peer each time it is asked for its descriptor, as the engine does before each receive."""

    peer: socket.socket
    refills = 0

    def fileno(self) -> int:
        if self.refills:
            self.refills -= 1
            self.peer.send(bytes(1000))
        return super().fileno()


async def test_reader_is_freed_with_its_last_reference_after_failed_send(tls: Any) -> None:
    gc.collect()
    gc.disable()
    try:
        async with sluiceway.pair() as (first, second):
            await upgrade(first, second, tls)
            reading = asyncio.create_task(first.read_line())
            await run_iterations()
            second.writer.write(b"refused\n")
            end(second)
            first.writer.write(b"more")
            assert await reading == b"refused\n"
        freed = weakref.ref(first.reader._sluiceway)
        del first, second, reading
        await run_iterations()
        assert freed() is None
    finally:
        gc.enable()


async def test_request_of_client_that_was_reset_before_the_greeting_is_read(raw_peers: RawPeers) -> None:
    accepted = asyncio.get_running_loop().create_future()

    def greet(*streams: Any) -> None:
        streams[1].write(b"hello")
        accepted.set_result(streams)

    async with await sluiceway.start_server(greet, "127.0.0.1", 0) as server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"request")
        peer.reset()
        reader, _ = await accepted
        assert await reader.read(100) == b"request"


@loops_with_immediate_wakeup
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("data", [b"", b"!"])
@pytest.mark.parametrize("corked", [False, True])
async def test_refused_alerts_of_tls_in_tls_are_not_unsent_but_data_is(
    layers: int, data: bytes, corked: bool, tls: Any
) -> None:
    async with sluiceway.pair() as (first, second):
        for _ in range(layers):
            await upgrade(first, second, tls)
        # In an iteration of the loop, and not in a step, in which writes are corked.
        await asyncio.sleep(0)
        second.writer.write(b"?")
        with socket.socket(fileno=os.dup(second.writer.get_extra_info("socket").fileno())) as below:
            below.shutdown(socket.SHUT_RD)
        if corked:
            # This wait ends in a step.
            await first.read(1)
        first.writer.write(data)
        info = await first.aclose()
    assert info.reason == "reset"
    assert info.flushed is not bool(data)
    assert bool(info.unsent_bytes) is bool(data)


class _Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def data_received(self, data: bytes) -> None:
        self.calls.append(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.calls.append(type(exc))


async def test_protocol_of_program_over_tls_gets_no_data_after_failed_send(tls: Any) -> None:
    async with sluiceway.pair() as (first, second):
        await upgrade(first, second, tls)
        await asyncio.sleep(0)
        transport, recorder = first.writer.transport, _Recorder()
        previous = transport.get_protocol()
        transport.set_protocol(recorder)
        second.writer.write(b"refused\n")
        end(second)
        transport.write(b"more")
        await run_iterations()
        previous.connection_lost(None)
    assert recorder.calls == [BrokenPipeError]


async def test_protocol_of_program_gets_no_data_after_failed_send() -> None:
    recorder = _Recorder()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    transport = attach(asyncio.get_running_loop(), ours, recorder)
    theirs.sendall(b"refused\n")
    theirs.close()
    transport.write(b"more")
    await run_iterations()
    assert recorder.calls == [BrokenPipeError]
