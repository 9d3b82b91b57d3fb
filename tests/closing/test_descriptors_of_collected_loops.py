"""A loop that the garbage collector frees without a close, with a connection: each descriptor is closed once."""

import asyncio
import contextlib
import gc
import os
import socket
import threading
import warnings
from typing import Any

import sluiceway
from support import loops
from support.connections import server_address

# More than the numbers that are free below that of the connection.
DESCRIPTORS = 64


class OpensAtCollection:
    """Opens descriptors when it is collected, as another thread may at that time."""

    def __init__(self, opened: list[int]) -> None:
        self.opened = opened

    def __del__(self) -> None:
        self.opened += [os.open(os.devnull, os.O_RDONLY) for _ in range(DESCRIPTORS)]


def test_collected_connection_closes_no_descriptor_of_others(loop_kind: str) -> None:
    loops.warm_up(loop_kind)
    opened: list[int] = []

    async def echo(reader: Any, writer: Any) -> None:
        # After the socket of the connection in the list of the collector, so that it is finalized after the socket.
        cycle: list[Any] = [OpensAtCollection(opened)]
        cycle.append(cycle)
        async for line in reader:
            writer.write(line)

    async def leave() -> None:
        server = await sluiceway.start_server(echo, "127.0.0.1", 0)
        sock = socket.create_connection(server_address(server))
        sock.setblocking(False)
        reader, writer = await sluiceway.open_connection(sock=sock)
        writer.write(b"line\n")
        assert await reader.readline() == b"line\n"
        server.close()

    def run() -> None:
        loop: asyncio.AbstractEventLoop = loops.new_runner(loop_kind).get_loop()
        loop.run_until_complete(leave())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        # In the main thread, uvloop refers to the last loop.
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        gc.collect()
    try:
        for descriptor in opened:
            os.fstat(descriptor)
    finally:
        for descriptor in opened:
            with contextlib.suppress(OSError):
                os.close(descriptor)
