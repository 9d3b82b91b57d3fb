"""A task that waits in a read runs to its end, although the program refers neither to it nor to its streams.

The event loop refers to tasks only weakly. In asyncio the protocol of an accepted connection refers to its writer, so
the collector finds the reader, and the task that waits in it. The proxy pproxy relies on this.
"""

import asyncio
import functools
import gc
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.raw_peer import RawPeers

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
