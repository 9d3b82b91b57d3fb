"""After a fork, writes of both processes arrive once and in order, and neither changes the epoll sets of the other."""

import asyncio
import contextlib
import errno
import gc
import os
import pathlib
import resource
import select
import socket
import tempfile
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import (
    PeerConnection,
    abort_connections,
    open_connections,
    run_in_poller_step,
    wait_for_readers,
)
from support import file_descriptors, loops
from support.child_processes import IGNORE_THREADS, run_child, start_child, wait_for_child
from support.connections import server_address
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeers
from support.scheduling import wait_until
from support.timeouts import PEER_TIMEOUT

pytestmark = IGNORE_THREADS


def epoll_registrations() -> list[str]:
    """Return the registrations of the epoll sets of this process."""
    return [
        pathlib.Path(f"/proc/self/fdinfo/{number}").read_text()
        for number, target in sorted(file_descriptors.open_descriptors())
        if "eventpoll" in target
    ]


# The loop watches a single connection itself.
@pytest.mark.parametrize("count", [1, 3])
async def test_child_that_closes_inherited_connections_does_not_affect_the_parent(raw_peers: RawPeers, count: int):
    connections = await open_connections(raw_peers, count)

    def child():
        for connection in connections:
            connection.transport.pause_reading()
            connection.transport.resume_reading()
            connection.writer.close()
            connection.transport.abort()

    async def step():
        before = epoll_registrations()
        assert run_child(child) == 0
        return before, epoll_registrations()

    reading = asyncio.create_task(connections[-1].reader.readexactly(6))
    await wait_for_readers(connections[-1])
    if count > 1:
        before, after = await run_in_poller_step(connections[0], step)
    else:
        before, after = await step()
    assert after == before
    connections[-1].peer.send(b"still!")
    assert await reading == b"still!"
    for connection in connections:
        connection.writer.write(b"here")
        assert connection.peer.receive(4) == b"here"
    await abort_connections(connections)


@pytest.mark.loops("asyncio")
def test_parent_is_not_woken_for_a_connection_of_the_child(loop_kind: str):
    """The parent cannot receive that data, so it would be woken repeatedly."""

    async def handle(reader, writer):
        writer.write(await reader.readline())
        await asyncio.sleep(0)
        # The child does nothing until its parent has closed its end of the pipe.
        os.read(to_child, 1)
        loop.stop()

    to_child, from_parent = os.pipe()
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        server = loop.run_until_complete(sluiceway.start_server(handle, "127.0.0.1", 0))

        def child():
            os.close(from_parent)
            loop.run_forever()

        pid = start_child(child)
        with socket.create_connection(server_address(server), timeout=PEER_TIMEOUT) as client:
            client.sendall(b"first\n")
            assert client.recv(100) == b"first\n"
            client.sendall(b"second\n")
            # selectors.EpollSelector drops events of descriptors that it does not know.
            events = loop._selector._selector.poll(0)
        os.close(from_parent)
        assert wait_for_child(pid) == 0
        assert events == []
        server.close()
        loop.run_until_complete(server.wait_closed())
    os.close(to_child)


@pytest.mark.loops("asyncio")
def test_child_that_closes_the_server_leaves_parent_and_other_child_listening(loop_kind: str):
    async def handle(reader, writer):
        if os.getpid() != parent:
            server.close()
        while line := await reader.readline():
            writer.write(line)
            if os.getpid() == parent or line == b"stop\n":
                loop.stop()
        writer.close()

    def echoed(client, line):
        client.sendall(line)
        return client.recv(100)

    parent = os.getpid()
    with loops.new_runner(loop_kind) as runner, contextlib.ExitStack() as stack:
        loop = runner.get_loop()
        server = loop.run_until_complete(sluiceway.start_server(handle, "127.0.0.1", 0))
        children = [start_child(loop.run_forever) for _ in range(2)]

        def connect():
            return stack.enter_context(socket.create_connection(server_address(server), timeout=PEER_TIMEOUT))

        clients = []
        for _ in children:
            # The child that answered the previous client does not listen any more.
            clients.append(connect())
            assert echoed(clients[-1], b"hello\n") == b"hello\n"
        last = connect()
        last.sendall(b"hello\n")
        loop.run_forever()
        assert last.recv(100) == b"hello\n"
        for client in clients:
            assert echoed(client, b"stop\n") == b"stop\n"
        assert [wait_for_child(pid) for pid in children] == [0, 0]
        last.close()
        server.close()
        loop.run_until_complete(server.wait_closed())


@pytest.mark.loops("asyncio")
async def test_child_runs_a_new_loop(raw_peers: RawPeers):
    connections = await open_connections(raw_peers, 2)
    listener = raw_peers.listen()

    async def talk():
        reader, writer = await sluiceway.open_connection(*listener.address)
        peer = listener.accept()
        reading = asyncio.create_task(reader.readexactly(5))
        await asyncio.sleep(0)
        peer.send(b"hello")
        assert await reading == b"hello"
        writer.close()
        await writer.wait_closed()

    def child():
        asyncio.events._set_running_loop(None)
        loop = asyncio.SelectorEventLoop()
        # In this thread the task of the parent's loop is still current.
        loop.run_until_complete(talk())
        loop.close()
        gc.collect()

    async def step():
        return run_child(child)

    assert await run_in_poller_step(connections[0], step) == 0
    connections[1].peer.send(b"on")
    assert await connections[1].reader.readexactly(2) == b"on"
    await abort_connections(connections)


@pytest.mark.parametrize("count", [1, 3])
def test_child_that_closes_an_idle_loop_does_not_affect_connections_of_the_parent(
    loop_kind: str, count: int, raw_peers: RawPeers
):
    """The loop may belong to another thread; it does not run at the fork."""
    listener = raw_peers.listen()

    async def connect():
        return [await sluiceway.open_connection(*listener.address) for _ in range(count)]

    async def exchange():
        for (reader, writer), peer in zip(connections, peers, strict=True):
            peer.send(b"line\n")
            assert await asyncio.wait_for(reader.readline(), PEER_TIMEOUT) == b"line\n"
            writer.write(b"answer")
            # The end of the step sends corked writes. A call in a thread would never return: asyncio's loop.close()
            # removes the self-pipe from the epoll set that the child shares with its parent.
            await asyncio.sleep(0)
            assert peer.receive(6) == b"answer"
            writer.close()
            await writer.wait_closed()

    def close_loop():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            runner.get_loop().close()

    with loops.new_runner(loop_kind) as runner:
        connections = runner.run(connect())
        peers = [listener.accept() for _ in range(count)]
        assert run_child(close_loop) == 0
        runner.run(exchange())


class InheritedConnections:
    """Connections of a loop that does not run at the fork. The child continues the loop and sends each peer's line."""

    def __init__(self, loop: asyncio.AbstractEventLoop, raw_peers: RawPeers, count: int) -> None:
        self.listener = raw_peers.listen()
        self.loop = loop
        self.connections = [loop.run_until_complete(self.connect()) for _ in range(count)]

    async def connect(self) -> PeerConnection:
        reader, writer = await sluiceway.open_connection(*self.listener.address)
        return PeerConnection(reader, writer, self.listener.accept())

    def run_in_child(self, body: Callable[[], Coroutine[Any, Any, None]]) -> int:
        """Return the exit status of a child that awaits ``body()``: 2 after a call of the exception handler."""

        return run_child(lambda: self.continue_loop(body))

    def continue_loop(self, body: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """In a child, await ``body()``. A call of the exception handler ends the child with status 2."""
        self.loop.set_exception_handler(lambda loop, context: os._exit(2))
        self.loop.run_until_complete(body())

    async def abort(self) -> None:
        await abort_connections(self.connections)


# The loop watches a single connection itself.
@pytest.mark.loops("asyncio", "debug", "eager")
@pytest.mark.parametrize("count", [1, 3])
def test_child_that_has_closed_the_descriptors_of_the_engine_continues_the_loop(
    loop_kind: str, raw_peers: RawPeers, count: int
):
    """A daemon keeps the descriptors of asyncio's loop and of the sockets, but knows no others. Their numbers are
    reused: that of the poller's epoll set first by a file, then by a socket that asyncio watches."""

    def replace_epoll_set(file: Any) -> int:
        watched = inherited.loop._selector.get_map()
        [number] = [number for number in watched if "eventpoll" in os.readlink(f"/proc/self/fd/{number}")]
        return os.dup2(file.fileno(), number)

    async def exchange() -> None:
        for connection in inherited.connections:
            connection.peer.send(b"line\n")
            assert await asyncio.wait_for(connection.reader.readline(), PEER_TIMEOUT) == b"line\n"

    async def receive_datagram(sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        receiving = asyncio.create_task(asyncio.get_running_loop().sock_recv(sock, 10))
        await asyncio.sleep(0)
        sock.sendto(b"datagram", sock.getsockname())
        assert await asyncio.wait_for(receiving, PEER_TIMEOUT) == b"datagram"

    def child_with_a_file() -> None:
        with tempfile.TemporaryFile() as file:
            number = replace_epoll_set(file)
            inherited.loop.run_until_complete(exchange())
            assert os.path.samestat(os.fstat(number), os.fstat(file.fileno()))

    def child_with_a_socket() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            number = replace_epoll_set(other)
        with socket.socket(fileno=number) as sock:
            inherited.loop.run_until_complete(receive_datagram(sock))
            inherited.loop.run_until_complete(exchange())

    def child_that_closes_the_loop() -> None:
        with tempfile.TemporaryFile() as file:
            number = replace_epoll_set(file)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                inherited.loop.close()
            assert os.path.samestat(os.fstat(number), os.fstat(file.fileno()))

    with loops.new_runner(loop_kind) as runner:
        inherited = InheritedConnections(runner.get_loop(), raw_peers, count)
        assert run_child(child_with_a_file) == 0
        assert run_child(child_with_a_socket) == 0
        runner.run(exchange())
        assert run_child(child_that_closes_the_loop) == 0
        runner.run(inherited.abort())


# The loop watches a single connection itself.
@pytest.mark.parametrize("count", [1, 3])
def test_child_without_a_free_descriptor_receives_on_inherited_connections(
    loop_kind: str, raw_peers: RawPeers, count: int
):
    # asyncio's loop gets an epoll set of its own when it starts. uvloop needs descriptors to start.
    at_start = loop_kind != "uvloop"

    def exhausted(wanted: bool) -> contextlib.AbstractContextManager[None]:
        return file_descriptors.descriptors_exhausted() if wanted else contextlib.nullcontext()

    async def receive():
        with exhausted(not at_start):
            for connection in inherited.connections:
                connection.peer.send(b"line\n")
                assert await connection.reader.readline() == b"line\n"

    def child():
        before = file_descriptors.open_descriptors()
        with exhausted(at_start):
            inherited.continue_loop(receive)
        assert file_descriptors.open_descriptors() == before

    with loops.new_runner(loop_kind) as runner:
        inherited = InheritedConnections(runner.get_loop(), raw_peers, count)
        assert run_child(child) == 0
        runner.run(inherited.abort())


@pytest.mark.loops("asyncio", "debug")
def test_child_that_cannot_create_an_epoll_set_ends_inherited_connections_once(loop_kind: str, raw_peers: RawPeers):
    """The loop, whose set cannot be replaced either, is not woken for the parent's events."""

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def receive_without_descriptors() -> Coroutine[Any, Any, None]:
        # Before the loop runs, which creates an epoll set for the child at once. The number of the closed descriptor is
        # not allowed either. 0 would let poll() fail.
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        return receive()

    async def receive():
        for connection in inherited.connections:
            connection.peer.send(b"line\n")
        for connection in inherited.connections:
            with pytest.raises(OSError) as caught:
                await connection.reader.readline()
            assert caught.value.errno == errno.EMFILE
        assert asyncio.get_running_loop()._selector._selector.poll(0) == []
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        later = await inherited.connect()
        later.peer.send(b"line\n")
        assert await later.reader.readline() == b"line\n"
        await abort_connections([later, *inherited.connections])

    with loops.new_runner(loop_kind) as runner:
        inherited = InheritedConnections(runner.get_loop(), raw_peers, 3)
        assert inherited.run_in_child(receive_without_descriptors) == 0
        runner.run(inherited.abort())


@pytest.mark.loops("asyncio", "debug", "eager")
async def test_child_that_aborts_during_loop_sendfile_does_not_affect_the_parent(
    raw_peers: RawPeers, tmp_path: pathlib.Path
):
    """The socket and, until the child uses the poller, the loop's epoll set are those of the parent."""
    [connection] = await open_connections(raw_peers)
    path = tmp_path / "file"
    path.write_bytes(PAYLOAD)
    loop = asyncio.get_running_loop()
    raw = connection.transport.raw

    with path.open("rb") as file:
        sending = asyncio.create_task(loop.sendfile(connection.transport, file))
        await wait_until(lambda: raw.file_copy is not None and raw.file_copy._sock is not None)
        await wait_until(lambda: not select.select([], [raw.file_copy._sock], [], 0)[1])

        def child() -> None:
            connection.transport.abort()
            # Since Python 3.14, a child has no running loop and no current task.
            asyncio._set_running_loop(loop)
            with contextlib.suppress(RuntimeError):
                asyncio.tasks._leave_task(loop, task)
            # Continues the loop: sendfile() ends there.
            while not sending.done():
                loop._run_once()
            assert isinstance(sending.exception(), ConnectionError)

        task = asyncio.current_task()
        assert run_child(child) == 0
        receiving = asyncio.create_task(connection.peer.in_thread(connection.peer.receive, len(PAYLOAD)))
        assert await sending == len(PAYLOAD)
        assert await receiving == PAYLOAD
    await connection.close()
