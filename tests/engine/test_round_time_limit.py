"""A round of the poller longer than two milliseconds yields to the loop; the rest of the round is served first."""

import asyncio
import time

from engine.peer_connections import abort_connections, loops_with_immediate_wakeup, open_connections, wait_for_readers
from support.raw_peer import RawPeers


@loops_with_immediate_wakeup
async def test_slow_steps_yield_to_the_loop_and_the_rest_of_the_round_is_served_first(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 3)
    loop = asyncio.get_running_loop()
    order = []

    async def handle(number):
        for _ in range(2):
            await connections[number].reader.readexactly(1)
            order.append(number)
            loop.call_soon(order.append, "loop")
            # Ready again, before the others of the round were served.
            connections[number].peer.send(b"!")
            began = time.monotonic()
            while time.monotonic() - began < 0.003:
                pass

    tasks = [asyncio.create_task(handle(number)) for number in range(3)]
    await wait_for_readers(*connections)
    for connection in connections:
        connection.peer.send(b"!")
    await asyncio.gather(*tasks)
    first = order[:6:2]
    assert sorted(first) == [0, 1, 2]
    assert order == [*(entry for number in first * 2 for entry in (number, "loop"))]
    await abort_connections(connections)
