"""End the interpreter while a loop with an accepted connection is alive: for test_socket_object.py."""

import asyncio
import sys
from typing import Any

import sluiceway

kept: list[Any] = []


async def main() -> None:
    accepted = asyncio.Event()

    def handle(*streams: Any) -> None:
        kept.append(streams)
        accepted.set()

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    kept.append(server)
    kept.append(await sluiceway.open_connection(*server.sockets[0].getsockname()))
    await accepted.wait()


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
# Freed after the modules of the package and the module socket.
sys.kept = kept  # type: ignore[attr-defined]
print("end")
