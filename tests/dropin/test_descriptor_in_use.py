"""The loop refuses to watch the descriptor of an open stream for another user; the stream continues."""

import asyncio
import os
import socket
import types
from collections.abc import Callable
from typing import Any

import pytest

from support.connections import connected_pair
from support.raw_peer import RawPeers

pytestmark = pytest.mark.loops("asyncio", "debug", "eager")

Loop = asyncio.AbstractEventLoop

CALLS: dict[str, Callable[[Loop, int, socket.socket], Any]] = {
    "add_reader": lambda loop, fd, sock: loop.add_reader(fd, print),
    "remove_reader": lambda loop, fd, sock: loop.remove_reader(fd),
    "add_writer": lambda loop, fd, sock: loop.add_writer(fd, print),
    "remove_writer": lambda loop, fd, sock: loop.remove_writer(fd),
    "sock_recv": lambda loop, fd, sock: loop.sock_recv(sock, 1),
    "sock_recv_into": lambda loop, fd, sock: loop.sock_recv_into(sock, bytearray(1)),
    "sock_recvfrom": lambda loop, fd, sock: loop.sock_recvfrom(sock, 1),
}


@pytest.mark.parametrize("others", [0, 1], ids=["sole connection", "two connections"])
@pytest.mark.parametrize("call", CALLS)
async def test_loop_refuses_descriptor_of_open_connection(
    streams: types.ModuleType, raw_peers: RawPeers, call: str, others: int
) -> None:
    loop = asyncio.get_running_loop()
    listener = raw_peers.listen()
    opened = []
    for _ in range(1 + others):
        reader, writer = await streams.open_connection(*listener.address)
        opened.append((reader, writer, listener.accept()))
    reader, writer, peer = opened[-1]
    fd = writer.get_extra_info("socket").fileno()
    duplicate = socket.socket(fileno=fd)
    duplicate.setblocking(False)
    try:
        with pytest.raises(RuntimeError, match="is used by transport"):
            result = CALLS[call](loop, fd, duplicate)
            if result is not None:
                await result
    finally:
        duplicate.detach()
    reading = asyncio.create_task(reader.readexactly(2))
    await asyncio.sleep(0)
    peer.send(b"on")
    assert await reading == b"on"
    for _, opened_writer, _ in opened:
        opened_writer.close()
        await opened_writer.wait_closed()


async def test_loop_refuses_descriptor_of_accepted_connection(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as (_, (_, writer)):
        with pytest.raises(RuntimeError, match="is used by transport"):
            asyncio.get_running_loop().add_reader(writer.get_extra_info("socket").fileno(), print)


async def test_loop_accepts_reused_descriptor_of_closed_connection(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    loop = asyncio.get_running_loop()
    _, writer = await streams.open_connection(*raw_peers.listen().address)
    descriptor_number = writer.get_extra_info("socket").fileno()
    readable, writable = os.pipe()
    writer.close()
    await writer.wait_closed()
    # The transport still exists; the descriptor now belongs to a pipe.
    os.dup2(readable, descriptor_number)
    called = loop.create_future()
    loop.add_reader(descriptor_number, lambda: called.done() or called.set_result(None))
    os.write(writable, b"x")
    await called
    assert loop.remove_reader(descriptor_number)
    for descriptor in (readable, writable, descriptor_number):
        os.close(descriptor)
