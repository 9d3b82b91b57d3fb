"""A server forks and the child continues the loop: a daemon that forks after bind, or a worker process."""

import asyncio
import socket
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from support import loops
from support.child_processes import IGNORE_THREADS, start_child, wait_for_child
from support.connections import server_address
from support.timeouts import PEER_TIMEOUT

pytestmark = IGNORE_THREADS


@pytest.fixture
def loop(loop_kind: str) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of this kind, which the test runs itself."""
    with loops.new_runner(loop_kind) as runner:
        yield runner.get_loop()


class EchoServer:
    """Echoes each line; the line ``stop`` stops the loop of the process that receives it."""

    def __init__(self, streams: types.ModuleType, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.accepted = 0
        self.server = loop.run_until_complete(streams.start_server(self.handle, "127.0.0.1", 0))

    async def handle(self, reader: Any, writer: Any) -> None:
        self.accepted += 1
        while line := await reader.readline():
            writer.write(line)
            if line == b"stop\n":
                self.loop.stop()
        writer.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(server_address(self.server), timeout=PEER_TIMEOUT)

    async def wait_for_connections(self, count: int) -> None:
        while self.accepted < count:
            await asyncio.sleep(0)

    def close(self) -> None:
        async def close() -> None:
            self.server.close()
            await self.server.wait_closed()

        self.loop.run_until_complete(close())


def echo(sock: socket.socket, line: bytes) -> bytes:
    sock.sendall(line)
    return sock.recv(100)


def test_child_that_continues_loop_serves_new_connections(streams: types.ModuleType, loop: asyncio.AbstractEventLoop):
    server = EchoServer(streams, loop)
    child = start_child(loop.run_forever)
    with server.connect() as first, server.connect() as second:
        for line in (b"one\n", b"two\n"):
            assert echo(first, line) == line
            assert echo(second, line) == line
        assert echo(first, b"stop\n") == b"stop\n"
        assert wait_for_child(child) == 0
    with server.connect() as third:
        third.sendall(b"stop\n")
        loop.run_forever()
        assert third.recv(100) == b"stop\n"
    loop.run_until_complete(asyncio.sleep(0))
    server.close()


@pytest.mark.parametrize("count", [1, 2])
def test_child_that_continues_loop_serves_inherited_connections(
    streams: types.ModuleType, loop: asyncio.AbstractEventLoop, count: int
):
    server = EchoServer(streams, loop)
    clients = [server.connect() for _ in range(count)]
    loop.run_until_complete(server.wait_for_connections(count))
    child = start_child(loop.run_forever)
    for client in clients:
        assert echo(client, b"to the child\n") == b"to the child\n"
    assert echo(clients[0], b"stop\n") == b"stop\n"
    assert wait_for_child(child) == 0
    for client in clients:
        client.sendall(b"stop\n")
        loop.run_forever()
        assert client.recv(100) == b"stop\n"
        client.close()
    server.close()


def test_parent_and_children_serve_one_listening_socket_at_once(loop_kind: str):
    """A server that binds and forks. Each process has a loop of its own, and serves until it gets ``stop``.

    Not on the reference: uvloop's own server raises OSError (EBUSY) for the socket.
    """

    async def serve() -> None:
        async def handle(reader: Any, writer: Any) -> None:
            while line := await reader.readline():
                if line == b"stop\n":
                    server.close()
                    stopped.set()
                writer.write(line)
            writer.close()

        stopped = asyncio.Event()
        server = await sluiceway.start_server(handle, sock=listener)
        await stopped.wait()
        await server.wait_closed()

    def run_server() -> None:
        with loops.new_runner(loop_kind) as runner:
            runner.run(serve())

    def talk() -> None:
        for _ in range(3):
            with socket.create_connection(address, timeout=PEER_TIMEOUT) as client:
                assert echo(client, b"hello\n") == b"hello\n"
                answers.append(echo(client, b"stop\n"))

    answers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        children = [start_child(run_server) for _ in range(2)]
        thread = threading.Thread(target=talk)
        thread.start()
        run_server()
        thread.join()
    assert [wait_for_child(child) for child in children] == [0, 0]
    assert answers == [b"stop\n"] * 3
