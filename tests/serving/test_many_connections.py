"""2,000 dropped connections are all served; the leak checks count descriptors, tasks and threads."""

import asyncio
import gc
import itertools
import socket
import struct
import tracemalloc
from typing import Any

import pytest

import sluiceway
from serving.recording_socket import bound_recording_socket
from sluiceway._constants import ACCEPT_BATCH
from support.connections import server_address
from support.file_descriptors import open_descriptors
from support.raw_peer import RawPeers

TOTAL = 2000
CONCURRENT = 200


def open_and_drop(address: Any, how: str) -> None:
    """Open a connection and close it immediately."""
    with socket.create_connection(address) as sock:
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "data":
            sock.sendall(b"a line\nand a half")


class CountingHandler:
    """A handler that counts its calls and their ends."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def handle(self, reader: Any, writer: Any) -> None:
        self.started += 1
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.ended += 1
            for count, event in self._waiting:
                if self.ended >= count:
                    event.set()

    async def wait_for_ended(self, count: int) -> None:
        event = asyncio.Event()
        self._waiting.append((count, event))
        if self.ended < count:
            await event.wait()
        self._waiting.clear()


@pytest.mark.loops("asyncio", "uvloop", "eager")  # debug mode makes it ten times slower and tests nothing more
@pytest.mark.parametrize("how", ["closed", "data"])
async def test_connections_dropped_by_client_are_all_served(how: str) -> None:
    counter = CountingHandler()
    server = await sluiceway.start_server(counter.handle, "127.0.0.1", 0, backlog=CONCURRENT)
    address = server_address(server)

    for count in range(CONCURRENT, TOTAL + 1, CONCURRENT):
        for _ in range(CONCURRENT):
            open_and_drop(address, how)
        await counter.wait_for_ended(count)
    assert counter.started == counter.ended == TOTAL
    server.close()
    await server.wait_closed()
    for _ in range(5):
        await asyncio.sleep(0)
    assert server.handlers == frozenset()


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_connections_reset_by_client_end_without_report() -> None:
    """A connection that is reset in the accept queue may never be seen; each one that is accepted ends."""
    counter = CountingHandler()
    server = await sluiceway.start_server(counter.handle, "127.0.0.1", 0, backlog=CONCURRENT)
    for _ in range(TOTAL // ACCEPT_BATCH):
        for _ in range(ACCEPT_BATCH):
            open_and_drop(server_address(server), "reset")
        for _ in range(3):
            await asyncio.sleep(0)
    reader, writer = await sluiceway.open_connection(*server_address(server))
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    while server.handlers:
        await asyncio.sleep(0)
    assert counter.started == counter.ended


@pytest.mark.loops("asyncio", "uvloop")
async def test_memory_does_not_grow_with_dropped_connections() -> None:
    counter = CountingHandler()
    server = await sluiceway.start_server(counter.handle, "127.0.0.1", 0, backlog=CONCURRENT)
    address = server_address(server)
    total = 0

    async def open_and_wait(count: int) -> None:
        nonlocal total
        for _ in range(count):
            open_and_drop(address, "data")
        total += count
        await counter.wait_for_ended(total)
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()

    await open_and_wait(CONCURRENT)
    tracemalloc.start()
    try:
        await open_and_wait(CONCURRENT)
        before, descriptors = tracemalloc.get_traced_memory()[0], len(open_descriptors())
        for _ in range(4):
            await open_and_wait(CONCURRENT)
        growth = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert growth < 4 * CONCURRENT * 500  # bytes: a leaked connection has thousands, the interpreter's caches have some
    assert len(open_descriptors()) == descriptors
    server.close()
    await server.wait_closed()


async def test_full_queue_is_accepted_in_batches(raw_peers: RawPeers) -> None:
    """Other callbacks of the loop run between the batches."""
    sock = bound_recording_socket()
    server = await sluiceway.start_server(lambda r, w: w.close(), sock=sock, backlog=500, start_serving=False)
    await server.start_serving()
    loop = asyncio.get_running_loop()
    peers = [raw_peers.connect(sock.getsockname()) for _ in range(3 * ACCEPT_BATCH)]
    accept_counts = []

    def record() -> None:
        accept_counts.append(sock.accepts)
        if sock.accepts < len(peers):
            loop.call_soon(record)

    record()
    for peer in peers:
        assert await peer.in_thread(peer.receive_rest) == b""
    assert max(after - before for before, after in itertools.pairwise(accept_counts)) <= ACCEPT_BATCH
    server.close()
    await server.wait_closed()


async def test_concurrent_clients_are_all_served() -> None:
    async def echo(reader: Any, writer: Any) -> None:
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async def visit(number: int) -> None:
        reader, writer = await sluiceway.open_connection(*address)
        writer.write(b"%d\n" % number)
        assert await reader.read() == b"%d\n" % number
        writer.close()
        await writer.wait_closed()

    server = await sluiceway.start_server(echo, "127.0.0.1", 0)
    address = server_address(server)
    await asyncio.gather(*(visit(number) for number in range(CONCURRENT // 2)))
    server.close()
    await server.wait_closed()
