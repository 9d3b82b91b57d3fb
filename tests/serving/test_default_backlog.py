"""The default backlog is the longest that the system allows."""

import contextlib
import errno
import pathlib
import select
import socket
from typing import Any

import pytest

import sluiceway
from serving.handlers import close_connection
from serving.recording_socket import bound_recording_socket
from support.connections import server_address
from support.file_descriptors import raised_descriptor_limit

BURST = 1000

# Descriptors other than those of the burst: the loop's, the server's, pytest's.
OTHERS = 100

# Seconds until all have connected. Those that fit into the queue connect immediately, the others never.
CONNECT_TIMEOUT = 30


def maximum_backlog() -> int:
    """Return the longest queue of a listener that the system allows."""
    linux = pathlib.Path("/proc/sys/net/core/somaxconn")
    return int(linux.read_text()) if linux.exists() else socket.SOMAXCONN


def count_connected(sockets: list[socket.socket]) -> int:
    """Return how many of ``sockets`` connect while the server does not accept."""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLOUT)
    waiting = {sock.fileno(): sock for sock in sockets}
    done = 0
    while waiting:
        ready = poll.poll(CONNECT_TIMEOUT * 1000)
        if not ready:
            break
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            done += waiting.pop(descriptor).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    return done


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_burst_of_connections_fits_into_default_backlog(kind: str, unix_path: str) -> None:
    address: Any
    if kind == "tcp":
        server = await sluiceway.start_server(close_connection, "127.0.0.1", 0)
        address = server_address(server)
    else:
        server = await sluiceway.start_unix_server(close_connection, unix_path)
        address = unix_path
    burst = min(BURST, maximum_backlog())
    assert burst > 100, "the maximum backlog of this system is too short for this test"
    with raised_descriptor_limit(burst + OTHERS), contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(burst):
            sock = stack.enter_context(socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX))
            sock.setblocking(False)
            # If the queue is full, a Unix socket raises EAGAIN immediately, while TCP does not respond.
            assert sock.connect_ex(address) in (0, errno.EINPROGRESS)
            sockets.append(sock)
        assert count_connected(sockets) == burst
    server.close()
    await server.wait_closed()


async def test_default_backlog_is_at_least_system_maximum() -> None:
    sock = bound_recording_socket()
    async with await sluiceway.start_server(close_connection, sock=sock):
        (backlog,) = sock.backlogs
    assert backlog >= maximum_backlog()
