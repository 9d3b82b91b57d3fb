"""A task that waits in a read runs to its end, although the program refers neither to it nor to its streams.

The event loop refers to tasks only weakly. In asyncio the protocol of an accepted connection refers to its writer, so
the collector finds the reader, and the task that waits in it. The proxy pproxy relies on this.
"""

import asyncio
import functools
import gc
import itertools
import os
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.raw_peer import RawPeers
from support.scheduling import run_iterations

BODY = b"b" * 200_000 + b"\n"

READS: dict[str, Callable[[Any], Awaitable[bytes]]] = {
    "read": lambda reader: reader.read(len(BODY)),
    "readline": lambda reader: reader.readline(),
    "readexactly": lambda reader: reader.readexactly(5),
    "large readexactly": lambda reader: reader.readexactly(len(BODY)),
}


def collect() -> None:
    # The first collection may free what the tasks of the second refer to.
    gc.collect()
    gc.collect()


def drop(streams: list[Any]) -> None:
    streams.clear()
    collect()


def sent_for(read: str) -> bytes:
    return BODY if read == "large readexactly" else b"line\n"


async def read_and_answer(reader: Any, writer: Any, read: str, waits: asyncio.Event) -> None:
    waits.set()
    writer.write(await READS[read](reader))
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("over_tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("read", READS)
async def test_a_handler_leaves_a_connection_to_its_task(
    raw_peers: RawPeers, tls: Any, read: str, over_tls: bool
) -> None:
    """The handler returns at once; the task that it has started answers."""
    waits = asyncio.Event()

    def handle(reader: Any, writer: Any) -> None:
        asyncio.ensure_future(read_and_answer(reader, writer, read, waits))

    server = await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context if over_tls else None)
    peer = raw_peers.connect(server_address(server))
    if over_tls:
        await peer.in_thread(functools.partial(peer.start_tls, tls.client_context, server_hostname="localhost"))
    await waits.wait()
    collect()
    await peer.in_thread(peer.send, sent_for(read))
    assert (await peer.in_thread(peer.receive_rest)).rstrip(b"\n") == sent_for(read).rstrip(b"\n")
    peer.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("read", READS)
async def test_a_task_opens_a_connection(raw_peers: RawPeers, read: str) -> None:
    """In asyncio the collector ends such a task, with the message that it was destroyed while pending."""
    waits = asyncio.Event()
    listener = raw_peers.listen()

    async def run() -> None:
        reader, writer = await sluiceway.open_connection(*listener.address)
        await read_and_answer(reader, writer, read, waits)

    asyncio.ensure_future(run())
    await waits.wait()
    peer = listener.accept()
    collect()
    await peer.in_thread(peer.send, sent_for(read))
    assert (await peer.in_thread(peer.receive_rest)).rstrip(b"\n") == sent_for(read).rstrip(b"\n")


async def check_that_line_is_read(
    read: Callable[[], Coroutine[Any, Any, None]], waits: asyncio.Event, sending: int, result: asyncio.Future[bytes]
) -> None:
    """Run ``read`` in a task without a reference to it. After a collection, it must read a line from the pipe."""
    asyncio.ensure_future(read())
    await waits.wait()
    collect()
    os.write(sending, b"line\n")
    os.close(sending)
    assert await result == b"line\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes")
async def test_a_task_reads_a_pipe() -> None:
    """The reader of a pipe has no writer."""
    receiving, sending = os.pipe()
    result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    waits = asyncio.Event()

    async def run() -> None:
        async with sluiceway.pipe(receiving) as stream:
            waits.set()
            result.set_result(await stream.read_line())

    await check_that_line_is_read(run, waits, sending, result)


@pytest.mark.skipif(os.name == "nt", reason="pipes")
async def test_a_task_reads_without_a_writer() -> None:
    """The program has created the reader and the protocol itself, as for the standard input."""
    receiving, sending = os.pipe()
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bytes] = loop.create_future()
    waits = asyncio.Event()

    async def run() -> None:
        reader = sluiceway.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: sluiceway.StreamReaderProtocol(reader), os.fdopen(receiving, "rb")
        )
        waits.set()
        line = await reader.readline()
        transport.close()
        result.set_result(line)

    await check_that_line_is_read(run, waits, sending, result)
    await asyncio.sleep(0)


async def test_a_handler_filters_the_input_in_a_task(raw_peers: RawPeers) -> None:
    """One task reads from the connection, and feeds a second reader, from which another task reads."""

    async def filter_lines(reader: Any, inner: Any) -> None:
        while line := await reader.readline():
            inner.feed_data(line.upper())
        inner.feed_eof()

    async def answer(inner: Any, writer: Any) -> None:
        while line := await inner.readline():
            writer.write(line)
        writer.close()
        await writer.wait_closed()

    def handle(reader: Any, writer: Any) -> None:
        inner = sluiceway.StreamReader()
        transport = writer.transport
        inner_writer = sluiceway.StreamWriter(transport, transport.get_protocol(), inner, asyncio.get_running_loop())
        asyncio.ensure_future(filter_lines(reader, inner))
        asyncio.ensure_future(answer(inner, inner_writer))

    server = await sluiceway.start_server(handle, "127.0.0.1", 0)
    peer = raw_peers.connect(server_address(server))
    for line in (b"one\n", b"two\n"):
        peer.send(line)
        assert await peer.in_thread(peer.receive, len(line)) == line.upper()
        await run_iterations()
        collect()
    peer.half_close()
    assert await peer.in_thread(peer.receive_rest) == b""
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_reads_of_three_readers_end_in_any_order(raw_peers: RawPeers, order: tuple[int, ...]) -> None:
    """Each reader reads two lines. The reads begin one after another, and end in ``order``."""
    listener = raw_peers.listen()
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
    readers: list[weakref.ref[Any]] = []

    async def read(number: int, reader: Any, writer: Any) -> None:
        for _ in range(2):
            lines.put_nowait((number, await reader.readline()))
        if number == order[-1]:
            writer.close()

    async def open_streams() -> weakref.ref[Any]:
        reader, writer = await sluiceway.open_connection(*listener.address)
        for number in range(3):
            asyncio.ensure_future(read(number, reader, writer))
            readers.append(weakref.ref(reader))
            reader = sluiceway.StreamReader()
            writer = sluiceway.StreamWriter(writer.transport, writer.transport.get_protocol(), reader, loop)
        return weakref.ref(writer._sluiceway.connection)

    connection = await open_streams()
    listener.accept()
    await run_iterations()
    for line in (b"one\n", b"two\n"):
        for number in order:
            collect()
            reader: Any = readers[number]()
            reader.feed_data(line)
            del reader
            assert await lines.get() == (number, line)
    await run_iterations()
    open_connection = connection()
    assert open_connection is None or open_connection.waiting_read is None


async def test_a_cancelled_read_is_not_kept(raw_peers: RawPeers) -> None:
    """The reference ends with the wait: the connection is closed when the program has dropped it."""
    listener = raw_peers.listen()
    pair = list(await sluiceway.open_connection(*listener.address))
    peer = listener.accept()
    read = asyncio.ensure_future(pair[0].read(1))
    await asyncio.sleep(0)
    read.cancel()
    await asyncio.wait([read])
    assert read.cancelled()
    del read
    with pytest.warns(ResourceWarning, match="unclosed"):
        drop(pair)
    assert await peer.in_thread(peer.receive_rest) == b""
