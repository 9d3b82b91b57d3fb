"""S13: in debug mode the record of a slow callback names the task that blocked the loop, with file and line."""

import asyncio
import inspect
import logging
import types
from typing import Any

import pytest

from support.raw_peer import RawPeers
from support.scheduling import wait_until

LINES = 300  # more than the cooperative budget


@pytest.mark.loops("asyncio", "uvloop")
@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("lines", [1, LINES])
async def test_slow_callback_record_names_the_task_and_its_line(
    streams: types.ModuleType, raw_peers: RawPeers, caplog: pytest.LogCaptureFixture, connections: int, lines: int
) -> None:
    received: list[bytes] = []

    async def blocking_handler(reader: Any) -> None:
        while line := await reader.readline():
            received.append(line)

    listener = raw_peers.listen()
    opened = [await streams.open_connection(*listener.address) for _ in range(connections)]
    peers = [listener.accept() for _ in opened]
    task = asyncio.create_task(blocking_handler(opened[0][0]))
    await asyncio.sleep(0)

    # Debug mode starts at run time. A negative duration makes every callback slow, so no record depends on the clock.
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = -1.0
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        peers[0].send(b"x\n" * lines)
        await wait_until(lambda: len(received) == lines)
        await asyncio.sleep(0)
    loop.set_debug(False)

    line = inspect.getsourcelines(blocking_handler)[1] + 1
    place = f"blocking_handler() running at {__file__}:{line}>"
    named = [record for record in caplog.messages if record.startswith("Executing <Task") and place in record]
    yields = 1 if streams.__name__ == "sluiceway" and lines == LINES else 0
    assert len(named) >= 1 + yields, caplog.messages
    assert all(" took " in record for record in named)

    task.cancel()
    for _, writer in opened:
        writer.close()
        await writer.wait_closed()
