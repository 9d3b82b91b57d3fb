"""X5: the collector finds dropped streams together with their transport, whose reading is paused.

The collector clears weak references before it runs finalizers. The finalizer of a socket closes the descriptor, even if
another finalizer has made the socket reachable again.
"""

import asyncio
import contextlib
import functools
import gc
import os
import socket
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sluiceway
from support import loops
from support.collector import recorded_warnings
from support.connections import server_address
from support.file_descriptors import is_descriptor_open, open_descriptors, socket_descriptor
from support.raw_peer import RawPeer, RawPeers
from support.scheduling import run_iterations, wait_until

ITERATIONS = 20


async def collect_in_loop() -> None:
    gc.collect()


async def collect_in_thread() -> None:
    await asyncio.to_thread(gc.collect)


COLLECTORS = [collect_in_loop, collect_in_thread]


def drop_in_cycle(*streams: Any) -> None:
    """Leave a reference cycle that refers to ``streams``."""
    cycle: list[Any] = [*streams]
    cycle.append(cycle)


class DroppingServer:
    """A TLS server whose handler pauses reading and drops the streams. ``start()`` connects a peer, too.

    If ``collections`` is not None, ``descriptor`` is stored, and the collector runs so many times before the drop.
    """

    def __init__(self, collections: int | None = None) -> None:
        self.collections = collections
        self.descriptor = (-1, -1)
        self.paused = asyncio.Event()
        self.drop = asyncio.Event()
        # True if the collector closes the socket, which only asyncio's transports refer to.
        self.collector_closes_socket = False

    async def start(self, raw_peers: RawPeers, tls: Any) -> tuple[Any, RawPeer]:
        server = await sluiceway.start_server(self._handle, "127.0.0.1", 0, ssl=tls.server_context)
        peer = raw_peers.connect(server_address(server))
        await peer.in_thread(functools.partial(peer.start_tls, tls.client_context, server_hostname="localhost"))
        await self.paused.wait()
        for _ in range(self.collections or 0):
            gc.collect()
        self.drop.set()
        await asyncio.gather(*server.handlers)
        server.close()
        return server, peer

    async def _handle(self, reader: Any, writer: Any) -> None:
        self.collector_closes_socket = type(writer.transport.lower).__module__.startswith("asyncio.")
        writer.transport.pause_reading()
        if self.collections is not None:
            self.descriptor = socket_descriptor(writer)
        self.paused.set()
        await self.drop.wait()
        drop_in_cycle(reader, writer)


@pytest.mark.parametrize("collect", COLLECTORS)
@pytest.mark.parametrize("end", ["close_notify of the peer", "abort_clients"])
async def test_server_waits_for_the_tls_close_of_collected_streams(
    collect: Callable[[], Awaitable[None]], end: str, raw_peers: RawPeers, tls: Any
) -> None:
    dropping = DroppingServer()
    with recorded_warnings():
        server, peer = await dropping.start(raw_peers, tls)
        waiting = asyncio.create_task(server.wait_closed())
        await run_iterations(ITERATIONS)
        assert not waiting.done()
        await collect()
        await run_iterations(ITERATIONS)
        if not dropping.collector_closes_socket:
            assert not waiting.done()
            if end == "abort_clients":
                server.abort_clients()
                await waiting
        with contextlib.suppress(ConnectionResetError):
            assert await peer.in_thread(peer.receive_rest) == b""
        if not waiting.done() and not dropping.collector_closes_socket:
            await peer.in_thread(peer.unwrap_tls)
        await waiting
        peer.close()


async def check_that_number_can_be_used(descriptor: tuple[int, int]) -> None:
    """Let a transport of asyncio receive from a socket with the number of ``descriptor``, which is closed."""
    mine, other = socket.socketpair()
    if other.fileno() == descriptor[0]:
        mine, other = other, mine
    elif mine.fileno() != descriptor[0]:
        os.dup2(mine.fileno(), descriptor[0])
        mine.close()
        mine = socket.socket(fileno=descriptor[0])
    mine.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=mine)
    other.send(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.close()
    await writer.wait_closed()
    other.close()


def unclosed_warnings(found: list[warnings.WarningMessage]) -> int:
    """Return how many warnings the package has emitted. asyncio's transports and sockets may also warn."""
    return len([one for one in found if str(one.message).startswith("unclosed <StreamWriter")])


def only_one_warning(found: list[warnings.WarningMessage]) -> bool:
    """Return True if the package has emitted one warning. Drop all, because they refer to their sources."""
    count = unclosed_warnings(found)
    found.clear()
    return count == 1


def answer_close_notify(context: Any, peer: RawPeer) -> None:
    """The TLS server of a client that sends nothing, and closes with or without a close_notify alert."""
    peer.start_tls(context, server_side=True)
    with contextlib.suppress(OSError):
        assert peer.receive_rest() == b""
        peer.unwrap_tls()


# Earlier collections change the order in which the last one runs the finalizers.
@pytest.mark.parametrize("collections", [0, 1, 2])
@pytest.mark.parametrize("collect", COLLECTORS)
@pytest.mark.parametrize("dropped", ["reader and writer", "writer without reader"])
async def test_descriptor_number_of_collected_tls_client_can_be_used_again(
    collections: int, collect: Callable[[], Awaitable[None]], dropped: str, raw_peers: RawPeers, tls: Any
) -> None:
    script = raw_peers.serve(functools.partial(answer_close_notify, tls.server_context))
    with recorded_warnings() as found:
        reader, writer = await sluiceway.open_connection(
            *script.address, ssl=tls.client_context, server_hostname="localhost"
        )
        descriptor = socket_descriptor(writer)
        connection = weakref.ref(writer._sluiceway.connection)
        writer.transport.pause_reading()
        streams: list[Any] = [reader, writer]
        if dropped == "writer without reader":
            protocol: Any = writer.transport.get_protocol()
            streams = [sluiceway.StreamWriter(writer.transport, protocol, None, asyncio.get_running_loop())]
            del protocol
        del reader, writer
        for _ in range(collections):
            gc.collect()
        drop_in_cycle(*streams)
        streams.clear()
        await collect()
        # On uvloop's transports, the collector does not close the socket.
        await wait_until(lambda: not is_descriptor_open(descriptor))
        await script.finished()
        await check_that_number_can_be_used(descriptor)
        # After a collection in another thread, the loop waits before it closes.
        await wait_until(lambda: connection() is None or connection().lost)
        await run_iterations(ITERATIONS)
        assert only_one_warning(found)
        await check_that_number_can_be_used(descriptor)


@pytest.mark.parametrize("collections", [0, 1, 2])
@pytest.mark.parametrize("collect", COLLECTORS)
@pytest.mark.parametrize("wait", ["future", "read"])
async def test_descriptor_number_of_tls_client_of_a_collected_task_can_be_used_again(
    collections: int, collect: Callable[[], Awaitable[None]], wait: str, raw_peers: RawPeers, tls: Any
) -> None:
    """The finalizer of the suspended coroutine drops the streams, usually before the finalizer of the socket runs."""
    script = raw_peers.serve(functools.partial(answer_close_notify, tls.server_context))
    opened: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
    go_on, paused = asyncio.Event(), asyncio.Event()
    connections: list[Any] = []

    async def use() -> None:
        reader, writer = await sluiceway.open_connection(
            *script.address, ssl=tls.client_context, server_hostname="localhost"
        )
        connections.append(weakref.ref(writer._sluiceway.connection))
        opened.set_result(socket_descriptor(writer))
        await go_on.wait()
        writer.transport.pause_reading()
        paused.set()
        await (asyncio.get_running_loop().create_future() if wait == "future" else reader.read())

    # Called for a pending task that is freed.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: None)
    with recorded_warnings() as found:
        task = asyncio.create_task(use())
        descriptor = await opened
        for _ in range(collections):
            gc.collect()
        go_on.set()
        await paused.wait()
        await run_iterations(ITERATIONS)
        del task
        await collect()
        # On uvloop's transports, the collector does not close the socket.
        await wait_until(lambda: not is_descriptor_open(descriptor))
        await script.finished()
        await check_that_number_can_be_used(descriptor)
        # After a collection in another thread, the loop waits before it closes.
        await wait_until(lambda: connections[0]() is None or connections[0]().lost)
        await run_iterations(ITERATIONS)
        assert only_one_warning(found)
        await check_that_number_can_be_used(descriptor)


@pytest.mark.parametrize("collections", [0, 1, 2])
@pytest.mark.parametrize("collect", COLLECTORS)
async def test_descriptor_number_of_collected_tls_streams_of_a_server_can_be_used_again(
    collections: int, collect: Callable[[], Awaitable[None]], raw_peers: RawPeers, tls: Any
) -> None:
    dropping = DroppingServer(collections)
    with recorded_warnings() as found:
        server, peer = await dropping.start(raw_peers, tls)
        await collect()
        await run_iterations(ITERATIONS)
        assert only_one_warning(found)
        if is_descriptor_open(dropping.descriptor):
            assert await peer.in_thread(peer.receive_rest) == b""
            await peer.in_thread(peer.unwrap_tls)
        await server.wait_closed()
        await wait_until(lambda: not is_descriptor_open(dropping.descriptor))
        await check_that_number_can_be_used(dropping.descriptor)
        peer.close()


@pytest.mark.parametrize("collect", COLLECTORS)
@pytest.mark.parametrize("holder", ["task that waits in a read", "attribute of the protocol"])
async def test_collected_connection_that_refers_to_its_streams_is_closed_and_freed(
    collect: Callable[[], Awaitable[None]], holder: str, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    connections: list[Any] = []

    async def use() -> None:
        reader, writer = await sluiceway.open_connection(*listener.address)
        writer.transport.pause_reading()
        connections.append(weakref.ref(writer._sluiceway.connection))
        if holder == "attribute of the protocol":
            protocol: Any = writer.transport.get_protocol()
            protocol.streams = [reader, writer]
        else:
            del writer
            await reader.read()

    # Called for a pending task that is freed.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: None)
    with recorded_warnings() as found:
        task = asyncio.create_task(use())
        await wait_until(lambda: connections)
        await run_iterations(ITERATIONS)
        del task
        await collect()
        peer = listener.accept()
        assert await peer.in_thread(peer.receive_rest) == b""
        await run_iterations(ITERATIONS)
        assert only_one_warning(found)
        gc.collect()
        found.clear()
        assert connections[0]() is None


def test_closed_loop_leaves_no_descriptor_of_collected_tls_streams(
    loop_kind: str, raw_peers: RawPeers, tls: Any
) -> None:
    """The peer does not answer the close_notify alert."""
    loops.warm_up(loop_kind)
    before = open_descriptors()

    async def leave() -> None:
        server, _peer = await DroppingServer().start(raw_peers, tls)
        peers.append(_peer)
        del server
        gc.collect()

    peers: list[RawPeer] = []
    with recorded_warnings():
        with loops.new_runner(loop_kind) as runner:
            runner.run(leave())
        peers[0].close()
        assert {name for _, name in open_descriptors() - before if name.startswith("socket:")} == set()


@pytest.mark.skipif(sluiceway.ENGINE != "epoll", reason="the test closes the socket of the engine's transport")
async def test_server_does_not_wait_for_dropped_streams_whose_socket_is_closed(raw_peers: RawPeers) -> None:
    """The collector may run the finalizer of the socket object first, which closes the descriptor."""

    async def handle(_reader: Any, writer: Any) -> None:
        writer.transport.pause_reading()
        writer.transport.raw.socket().close()

    with recorded_warnings():
        server = await sluiceway.start_server(handle, "127.0.0.1", 0)
        peer = raw_peers.connect(server_address(server))
        assert await peer.in_thread(peer.receive_rest) == b""
        server.close()
        await server.wait_closed()
