"""W9 over TLS: what a task writes within one step becomes one record, sent in order, at the end of the round."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.peer_connections import (
    PeerConnection,
    loops_with_immediate_wakeup,
    receive_available,
    run_in_poller_step,
)
from support.certificates import Certificates
from support.manual_tls import ManualTLS
from support.raw_peer import RawPeer, RawPeers
from support.tls_connections import manual_tls_connection

pytestmark = loops_with_immediate_wakeup

HEADER = 5
Step = Callable[[Any], Awaitable[Any]]


def record_count(data: bytes) -> int:
    count = position = 0
    while position < len(data):
        position += HEADER + int.from_bytes(data[position + 3 : position + HEADER], "big")
        count += 1
    assert position == len(data)
    return count


async def run_step(
    raw_peers: RawPeers, tls: Certificates, step: Step, check: Callable[[RawPeer, ManualTLS], Any]
) -> Any:
    """Await ``step(writer)`` in a step of the poller, then return ``check(peer, manual_tls)``, called in a thread."""
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, manual_tls):

        async def stepped() -> None:
            await step(writer)

        await run_in_poller_step(PeerConnection(reader, writer, manual_tls), stepped)
        return await peer.in_thread(check, peer, manual_tls)


async def test_writes_of_a_step_are_one_record(raw_peers: RawPeers, tls: Certificates) -> None:
    seen = []

    async def step(writer: Any) -> None:
        writer.write(b"head,")
        writer.write(b"body,")
        writer.writelines([b"tail", b"."])
        seen.append(writer.transport.get_write_buffer_size())

    def check(peer: RawPeer, manual_tls: ManualTLS) -> bytes:
        first = peer.sock.recv(1 << 16, socket.MSG_PEEK)
        assert record_count(first) == 1
        return manual_tls.receive(15)

    assert await run_step(raw_peers, tls, step, check) == b"head,body,tail."
    assert seen == [15]


async def test_write_outside_a_step_is_sent_immediately(raw_peers: RawPeers, tls: Certificates) -> None:
    async with manual_tls_connection("client", raw_peers, tls) as (_, writer, peer, manual_tls):
        writer.write(b"at ")
        assert record_count(receive_available(peer, socket.MSG_PEEK)) == 1
        writer.write(b"once")
        assert await peer.in_thread(manual_tls.receive, 7) == b"at once"


@pytest.mark.parametrize("ending", ["close", "abort", "wait"])
async def test_writes_of_a_step_are_sent_before_it_ends_the_connection(
    raw_peers: RawPeers, tls: Certificates, ending: str
) -> None:
    async def step(writer: Any) -> None:
        for number in range(100):
            writer.write(b"%d," % number)
        if ending == "close":
            writer.close()
        elif ending == "abort":
            writer.transport.abort()

    def check(peer: RawPeer, manual_tls: ManualTLS) -> bytes:
        return manual_tls.receive_rest() if ending == "close" else manual_tls.receive(290)

    assert await run_step(raw_peers, tls, step, check) == b"".join(b"%d," % number for number in range(100))


@pytest.mark.parametrize("piece", [1, 1000, 16_384, 16_385, 70_000])
async def test_large_writes_of_a_step_arrive_in_order(raw_peers: RawPeers, tls: Certificates, piece: int) -> None:
    data = os.urandom(200_000 if piece > 1 else 3000)

    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, peer, manual_tls):
        receiving: list[asyncio.Task[bytes]] = []

        async def step() -> None:
            # Not before the record that starts the step is made: an SSLObject must not be used by two threads at once.
            receiving.append(asyncio.create_task(peer.in_thread(manual_tls.receive, len(data))))
            for at in range(0, len(data), piece):
                writer.write(data[at : at + piece])
            await writer.drain()

        await run_in_poller_step(PeerConnection(reader, writer, manual_tls), step)
        assert await receiving[0] == data


async def test_write_above_the_high_water_mark_pauses_writing(raw_peers: RawPeers, tls: Certificates) -> None:
    seen = []

    async def step(writer: Any) -> None:
        writer.transport.set_write_buffer_limits(high=100)
        writer.write(bytes(50))
        seen.append(writer.transport.get_write_buffer_size())
        writer.write(bytes(60))
        seen.append(writer.transport.get_write_buffer_size())

    await run_step(raw_peers, tls, step, lambda _, manual_tls: manual_tls.receive(110))
    assert seen == [50, 0]


@pytest.mark.parametrize("high", [1000, 0])
async def test_drain_returns_after_limits_are_lowered_below_the_corked_data(
    raw_peers: RawPeers, tls: Certificates, high: int
) -> None:
    async def step(writer: Any) -> None:
        writer.write(bytes(20_000))
        writer.transport.set_write_buffer_limits(high=high)
        await writer.drain()
        assert writer.transport.get_write_buffer_size() == 0

    await run_step(raw_peers, tls, step, lambda _, manual_tls: manual_tls.receive(20_000))


async def test_limits_of_a_lost_connection_can_be_set(raw_peers: RawPeers, tls: Certificates) -> None:
    async with manual_tls_connection("client", raw_peers, tls) as (reader, writer, _, manual_tls):

        async def step() -> None:
            writer.transport.set_write_buffer_limits(high=1)
            writer.write(bytes(1_000_000))
            writer.transport.abort()

        await run_in_poller_step(PeerConnection(reader, writer, manual_tls), step)
        writer.close()
        await writer.wait_closed()
        writer.transport.set_write_buffer_limits(high=10)


async def test_write_during_the_encryption_of_corked_data_follows_it_once(
    raw_peers: RawPeers, tls: Certificates
) -> None:
    during: list[Callable[[], None]] = []

    class WritingObject(ssl.SSLObject):
        def write(self, data: Any) -> int:
            while during:
                during.pop()()
            return super().write(data)

    context = tls.new_client_context()
    context.sslobject_class = WritingObject

    async with manual_tls_connection("client", raw_peers, tls, context=context) as (reader, writer, peer, manual_tls):

        async def step() -> None:
            writer.write(b"corked, ")
            during.append(lambda: writer.write(b"during"))

        await run_in_poller_step(PeerConnection(reader, writer, manual_tls), step)
        writer.close()
        assert await peer.in_thread(manual_tls.receive_rest) == b"corked, during"


async def test_use_of_the_descriptor_sends_what_was_written_before(raw_peers: RawPeers, tls: Certificates) -> None:
    async def step(writer: Any) -> None:
        writer.write(b"before")
        sock = writer.get_extra_info("socket")
        assert sock.fileno() >= 0
        assert writer.transport.get_write_buffer_size() == 0
        writer.write(b", after")
        assert writer.transport.get_write_buffer_size() == 0

    assert await run_step(raw_peers, tls, step, lambda _, peer: peer.receive(13)) == b"before, after"
