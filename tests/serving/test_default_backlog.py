"""The queue of connections that wait to be accepted: as long as the system allows, where nobody says how long."""

import contextlib
import errno
import pathlib
import select
import socket
from typing import Any

import pytest

import sluiceway
from serving.recording_socket import bound_recording_socket
from support.connections import server_address
from support.file_descriptors import raised_descriptor_limit

BURST = 1000

# Descriptors beside those of the burst: the loop's, the server's, pytest's.
OTHERS = 100

# Seconds until all have connected. Those that the queue has room for connect at once, the others never.
PATIENCE = 10


async def ignore(reader: Any, writer: Any) -> None:
    writer.close()


def longest_queue() -> int:
    """Return how many connections the system lets a listener queue, at most."""
    linux = pathlib.Path("/proc/sys/net/core/somaxconn")
    return int(linux.read_text()) if linux.exists() else socket.SOMAXCONN


def connected(sockets: list[socket.socket]) -> int:
    """Return how many of ``sockets`` connect while nobody accepts."""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLOUT)
    waiting = {sock.fileno(): sock for sock in sockets}
    done = 0
    while waiting:
        ready = poll.poll(PATIENCE * 1000)
        if not ready:
            break
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            done += waiting.pop(descriptor).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    return done


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_burst_finds_room_before_anything_is_accepted(kind: str, unix_path: str) -> None:
    address: Any
    if kind == "tcp":
        server = await sluiceway.start_server(ignore, "127.0.0.1", 0)
        address = server_address(server)
    else:
        server = await sluiceway.start_unix_server(ignore, unix_path)
        address = unix_path
    burst = min(BURST, longest_queue())
    assert burst > 100, "this system's queue is so short that the test would prove nothing"
    with raised_descriptor_limit(burst + OTHERS), contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(burst):
            sock = stack.enter_context(socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX))
            sock.setblocking(False)
            # A Unix socket refuses at once (EAGAIN) where TCP is silent.
            assert sock.connect_ex(address) in (0, errno.EINPROGRESS)
            sockets.append(sock)
        assert connected(sockets) == burst
    server.close()
    await server.wait_closed()


async def test_what_the_kernel_is_asked_for() -> None:
    sock = bound_recording_socket()
    async with await sluiceway.start_server(ignore, sock=sock):
        (asked,) = sock.backlogs
    assert asked >= longest_queue()
