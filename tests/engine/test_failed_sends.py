"""Data that the kernel has received before a send fails is delivered (contract R2)."""

import asyncio
import os
import socket
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.epoll.transport import attach
from stream.streams import peer_stream
from support.raw_peer import RawPeers
from support.scheduling import run_iterations

LIMIT = 10


def end(stream: Any) -> None:
    """End both directions of the connection of ``stream`` below it, as if its process had ended."""
    with socket.socket(fileno=os.dup(stream.writer.get_extra_info("socket").fileno())) as below:
        below.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_answer_that_arrived_before_failed_send_is_read(kind: str, tls: Any) -> None:
    async with sluiceway.pair() as (first, second):
        if kind == "TLS":
            upgrade = second.start_tls(tls.server_context, server_side=True)
            await asyncio.gather(first.start_tls(tls.client_context, server_hostname="localhost"), upgrade)
        # In an iteration of the loop, and not in a step, in which writes are corked.
        await asyncio.sleep(0)
        second.writer.write(b"refused\nrest")
        end(second)
        first.writer.write(b"more")
        await _read_answer_and_error(first, BrokenPipeError)


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


async def test_protocol_of_program_gets_no_data_after_failed_send() -> None:
    calls: list[Any] = []

    class Recorder(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            calls.append(data)

        def connection_lost(self, exc: BaseException | None) -> None:
            calls.append(type(exc))

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    transport = attach(asyncio.get_running_loop(), ours, Recorder())
    theirs.sendall(b"refused\n")
    theirs.close()
    transport.write(b"more")
    await run_iterations()
    assert calls == [BrokenPipeError]
