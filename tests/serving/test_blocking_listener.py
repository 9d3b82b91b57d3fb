"""Another process that shares a listening socket clears O_NONBLOCK: accepting does not block the loop."""

import asyncio
import os
import threading

import sluiceway
from support.raw_peer import RawPeers
from support.timeouts import TEST_TIMEOUT

# Seconds until a second connection ends an accept() that blocks; then the test fails.
ACCEPT_TIMEOUT = 0.6 * TEST_TIMEOUT


async def test_cleared_nonblocking_flag_of_listener_is_restored(raw_peers: RawPeers) -> None:
    served = asyncio.Event()
    blocked = threading.Event()

    def handle(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.transport.abort()
        served.set()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
        listener = server.sockets[0]
        os.set_blocking(listener.fileno(), True)

        def end_accept() -> None:
            blocked.set()
            raw_peers.connect(listener.getsockname())

        timer = threading.Timer(ACCEPT_TIMEOUT, end_accept)
        timer.start()
        raw_peers.connect(listener.getsockname())
        await served.wait()
        timer.cancel()
        timer.join()
        assert not blocked.is_set()
        assert not os.get_blocking(listener.fileno())
