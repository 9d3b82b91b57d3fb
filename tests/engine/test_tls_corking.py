"""W9 over TLS: records written within a step of the poller are sent together, in order."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from engine.peer_connections import loops_with_immediate_wakeup, receive_available
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until
from support.tls_connections import TLS_ROLES, manual_tls_connection

each_role = pytest.mark.parametrize("role", TLS_ROLES)


async def wait_until_tickets_are_received(writer: Any, peer: RawPeer, manual_tls: Any) -> None:
    """Receive the session tickets that a server sends after its handshake, so that nothing is in the kernel."""
    writer.write(b".")
    assert await asyncio.to_thread(manual_tls.receive, 1) == b"."
    assert not receive_available(peer, socket.MSG_PEEK)


async def run_in_tls_step(reader: Any, manual_tls: Any, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await ``step()`` while the poller runs the task, after a record has arrived."""

    async def handle() -> Any:
        await reader.readexactly(1)
        return await step()

    task = asyncio.create_task(handle())
    await wait_until(lambda: reader._waiter is not None)
    manual_tls.send(b"!")
    return await task


@loops_with_immediate_wakeup
@each_role
async def test_records_written_in_a_step_are_sent_at_its_end(role: str, raw_peers: RawPeers, tls: Certificates):
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        await wait_until_tickets_are_received(writer, peer, manual_tls)

        async def step():
            writer.write(b"a")
            seen = receive_available(peer, socket.MSG_PEEK)
            writer.write(b"b")
            return seen

        assert not await run_in_tls_step(reader, manual_tls, step)
        assert await asyncio.to_thread(manual_tls.receive, 2) == b"ab"


@pytest.mark.parametrize("ending", ["close", "abort", "64 KiB"])
@each_role
async def test_corked_records_are_sent_by_close_abort_and_64_kib(
    role: str, ending: str, raw_peers: RawPeers, tls: Certificates
):
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        await wait_until_tickets_are_received(writer, peer, manual_tls)

        async def step():
            writer.write(b"a")
            if ending == "close":
                writer.close()
            elif ending == "abort":
                writer.transport.abort()
            else:
                writer.write(b"b" * (1 << 16))
            # close_notify is sent together with the data before it.
            return ending == "close" or peer.sock.recv(1, socket.MSG_PEEK)

        assert await run_in_tls_step(reader, manual_tls, step)
        assert await asyncio.to_thread(manual_tls.receive, 1) == b"a"
