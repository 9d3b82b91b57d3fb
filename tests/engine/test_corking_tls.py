"""Contract W9 over TLS: records written within a step of the poller leave together, in order, and in time."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.certificates import Certificates
from support.peer import Peers, Wire
from support.tls_sides import SIDES, facing_by_hand
from support.turns import until

every_side = pytest.mark.parametrize("side", SIDES)


def under_way(wire: Wire) -> bool:
    """Whether anything is in the peer's kernel already."""
    wire.sock.setblocking(False)
    try:
        return bool(wire.sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        wire.sock.settimeout(10)


async def nothing_under_way(writer: Any, wire: Wire, end: Any) -> None:
    """Return when tickets, which a server sends behind its handshake, have been taken."""
    writer.write(b".")
    assert await asyncio.to_thread(end.receive, 1) == b"."
    assert not under_way(wire)


async def stepped(reader: Any, end: Any, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Await ``step()`` in a step that the poller makes for a record that came."""

    async def handle() -> Any:
        await reader.readexactly(1)
        return await step()

    task = asyncio.create_task(handle())
    await until(lambda: reader._waiter is not None)
    end.send(b"!")
    return await task


@every_side
async def test_they_wait_for_the_end_of_the_step(side: str, peer: Peers, tls: Certificates):
    async with facing_by_hand(side, peer, tls) as (reader, writer, wire, end):
        await nothing_under_way(writer, wire, end)

        async def step():
            writer.write(b"a")
            seen = under_way(wire)
            writer.write(b"b")
            return seen

        assert not await stepped(reader, end, step)
        assert await asyncio.to_thread(end.receive, 2) == b"ab"


@pytest.mark.parametrize("ending", ["close", "abort", "64 KiB"])
@every_side
async def test_they_leave_with_or_before(side: str, ending: str, peer: Peers, tls: Certificates):
    async with facing_by_hand(side, peer, tls) as (reader, writer, wire, end):
        await nothing_under_way(writer, wire, end)

        async def step():
            writer.write(b"a")
            if ending == "close":
                writer.close()
            elif ending == "abort":
                writer.transport.abort()
            else:
                writer.write(b"b" * (1 << 16))
            return under_way(wire)

        left = await stepped(reader, end, step)
        # The farewell leaves with what was written before it.
        assert left or ending == "close"
        assert await asyncio.to_thread(end.receive, 1) == b"a"
