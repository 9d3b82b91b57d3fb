"""An allocation fails while DirectSelect asks whether the loop has called it."""

import asyncio
import types
from typing import Any

import pytest

from engine.peer_connections import open_connections
from support.raw_peer import RawPeers
from support.timeouts import PEER_TIMEOUT

# More than the call makes.
ALLOCATIONS = 20


@pytest.mark.loops("asyncio")
async def test_failing_allocation_does_not_end_the_loop_with_a_system_error(
    raw_peers: RawPeers, allocation_hooks: types.ModuleType
) -> None:
    """On CPython 3.11, ``frame.f_back`` returns None with a MemoryError, which the next call in C would find."""
    [connection] = await open_connections(raw_peers)
    loop: Any = asyncio.get_running_loop()
    select = loop._selector.select
    # The only event, for which select() would serve the connection.
    connection.peer.send(b"!")

    def run_once(number: int) -> None:
        allocation_hooks.set_nomemory(number, number + 1)
        try:
            select(PEER_TIMEOUT)
        except MemoryError:
            pass
        finally:
            allocation_hooks.remove_mem_hooks()

    def run_forever(number: int) -> None:
        # No frame object of this function exists yet.
        run_once(number)

    for number in range(ALLOCATIONS):
        run_forever(number)
    assert await connection.reader.readexactly(1) == b"!"
    await connection.close()
