"""Contract W9 over TLS: records written within a step of the poller leave together, in order, and in time."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from engine.peer_connections import loops_that_step
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import wait_until
from support.tls_connections import TLS_ROLES, manual_tls_connection

every_side = pytest.mark.parametrize("role", TLS_ROLES)


def under_way(peer: RawPeer) -> bool:
    """Whether anything is in the peer's kernel already."""
    peer.sock.setblocking(False)
    try:
        return bool(peer.sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        peer.sock.settimeout(10)


async def nothing_under_way(writer: Any, peer: RawPeer, manual_tls: Any) -> None:
    """Return when tickets, which a server sends behind its handshake, have been taken."""
    writer.write(b".")
    assert await asyncio.to_thread(manual_tls.receive, 1) == b"."
    assert not under_way(peer)


async def stepped(reader: Any, manual_tls: Any, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await ``step()`` in a step that the poller makes for a record that came."""

    async def handle() -> Any:
        await reader.readexactly(1)
        return await step()

    task = asyncio.create_task(handle())
    await wait_until(lambda: reader._waiter is not None)
    manual_tls.send(b"!")
    return await task


@loops_that_step
@every_side
async def test_they_wait_for_the_end_of_the_step(role: str, raw_peers: RawPeers, tls: Certificates):
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        await nothing_under_way(writer, peer, manual_tls)

        async def step():
            writer.write(b"a")
            seen = under_way(peer)
            writer.write(b"b")
            return seen

        assert not await stepped(reader, manual_tls, step)
        assert await asyncio.to_thread(manual_tls.receive, 2) == b"ab"


@pytest.mark.parametrize("ending", ["close", "abort", "64 KiB"])
@every_side
async def test_they_leave_with_or_before(role: str, ending: str, raw_peers: RawPeers, tls: Certificates):
    async with manual_tls_connection(role, raw_peers, tls) as (reader, writer, peer, manual_tls):
        await nothing_under_way(writer, peer, manual_tls)

        async def step():
            writer.write(b"a")
            if ending == "close":
                writer.close()
            elif ending == "abort":
                writer.transport.abort()
            else:
                writer.write(b"b" * (1 << 16))
            return under_way(peer)

        left = await stepped(reader, manual_tls, step)
        # The close_notify leaves with what was written before it.
        assert left or ending == "close"
        assert await asyncio.to_thread(manual_tls.receive, 1) == b"a"
