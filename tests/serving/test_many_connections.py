"""2,000 connections opened and dropped: all are served; the leak checks count descriptors, tasks and threads."""

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

MANY = 2000
AT_ONCE = 200


def dropped(address: Any, how: str) -> None:
    """Open a connection and drop it at once."""
    with socket.create_connection(address) as sock:
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "data":
            sock.sendall(b"a line\nand a half")


class Visits:
    """A handler, and what came of it."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def handle(self, reader: Any, writer: Any) -> None:
        self.begun += 1
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

    async def until(self, count: int) -> None:
        event = asyncio.Event()
        self._waiting.append((count, event))
        if self.ended < count:
            await event.wait()
        self._waiting.clear()


@pytest.mark.loops("asyncio", "uvloop", "eager")  # debug mode is ten times slower, and nothing else
@pytest.mark.parametrize("how", ["closed", "data"])
async def test_dropped_by_the_client(how: str) -> None:
    visits = Visits()
    server = await sluiceway.start_server(visits.handle, "127.0.0.1", 0, backlog=AT_ONCE)
    address = server_address(server)

    for count in range(AT_ONCE, MANY + 1, AT_ONCE):
        for _ in range(AT_ONCE):
            dropped(address, how)
        await visits.until(count)
    assert visits.begun == visits.ended == MANY
    server.close()
    await server.wait_closed()
    for _ in range(5):
        await asyncio.sleep(0)
    assert server.handlers == frozenset()


@pytest.mark.loops("asyncio", "uvloop", "eager")
async def test_reset_by_the_client() -> None:
    """A reset in the queue may be all that is seen of a connection; what is accepted ends, and nothing is told."""
    visits = Visits()
    server = await sluiceway.start_server(visits.handle, "127.0.0.1", 0, backlog=AT_ONCE)
    for _ in range(MANY // ACCEPT_BATCH):
        for _ in range(ACCEPT_BATCH):
            dropped(server_address(server), "reset")
        for _ in range(3):
            await asyncio.sleep(0)
    reader, writer = await sluiceway.open_connection(*server_address(server))
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    while server.handlers:
        await asyncio.sleep(0)
    assert visits.begun == visits.ended


@pytest.mark.loops("asyncio", "uvloop")
async def test_memory_does_not_grow() -> None:
    visits = Visits()
    server = await sluiceway.start_server(visits.handle, "127.0.0.1", 0, backlog=AT_ONCE)
    address = server_address(server)
    total = 0

    async def some(count: int) -> None:
        nonlocal total
        for _ in range(count):
            dropped(address, "data")
        total += count
        await visits.until(total)
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()

    await some(AT_ONCE)
    tracemalloc.start()
    try:
        await some(AT_ONCE)
        before, descriptors = tracemalloc.get_traced_memory()[0], len(open_descriptors())
        for _ in range(4):
            await some(AT_ONCE)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 4 * AT_ONCE * 500  # bytes: a forgotten connection holds thousands, caches of the interpreter some
    assert len(open_descriptors()) == descriptors
    server.close()
    await server.wait_closed()


async def test_a_full_queue_is_accepted_in_batches(raw_peers: RawPeers) -> None:
    """Other callbacks of the loop get their turn between the batches."""
    sock = bound_recording_socket()
    server = await sluiceway.start_server(lambda r, w: w.close(), sock=sock, backlog=500, start_serving=False)
    await server.start_serving()
    loop = asyncio.get_running_loop()
    peers = [raw_peers.connect(sock.getsockname()) for _ in range(3 * ACCEPT_BATCH)]
    seen = []

    def look() -> None:
        seen.append(sock.accepts)
        if sock.accepts < len(peers):
            loop.call_soon(look)

    look()
    for peer in peers:
        assert await peer.in_thread(peer.receive_rest) == b""
    assert max(after - before for before, after in itertools.pairwise(seen)) <= ACCEPT_BATCH
    server.close()
    await server.wait_closed()


async def test_clients_of_sluiceway_all_at_once() -> None:
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
    await asyncio.gather(*(visit(number) for number in range(AT_ONCE // 2)))
    server.close()
    await server.wait_closed()
