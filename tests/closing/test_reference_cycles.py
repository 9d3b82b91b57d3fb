"""No cycle outlives a wait or the close: readers, writers and protocols die by reference counts alone."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from support.connections import server_address
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeers


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Watched:
    """Weak references to a connection's objects."""

    def __init__(self, reader: Any, writer: Any) -> None:
        protocol = writer._protocol
        self._references = {
            "reader": weakref.ref(reader),
            "writer": weakref.ref(writer),
            "protocol": weakref.ref(protocol),
            "connection": weakref.ref(protocol._sluiceway),
        }

    @property
    def alive(self) -> list[str]:
        return [name for name, reference in self._references.items() if reference() is not None]


async def _gone(*watched: Watched) -> list[list[str]]:
    # The loop, and libuv in its own time, still hold the callbacks that ended the connections.
    for _ in range(20):
        await asyncio.sleep(0)
    return [one.alive for one in watched]


async def _talk(reader: Any, writer: Any) -> Watched:
    """All kinds of reads and writes, with waits among them."""
    writer.write(b"line\n")
    writer.writelines([b"12345", b"record;"])
    await writer.drain()
    assert await reader.readline() == b"line\n"
    assert await reader.readexactly(5) == b"12345"
    assert await reader.readuntil(b";") == b"record;"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await reader.read(10)
    writer.write(b"x" * 100)
    assert len(await reader.readexactly(100)) == 100
    return Watched(reader, writer)


async def _echo(reader: Any, writer: Any) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_after_an_orderly_end(secure: bool, tls: Any) -> None:
    """Both sides of a conversation, after close and wait_closed."""
    served: list[Watched] = []

    async def handle(reader: Any, writer: Any) -> None:
        served.append(Watched(reader, writer))
        await _echo(reader, writer)

    context = {"ssl": tls.server_context} if secure else {}
    near = {"ssl": tls.client_context, "server_hostname": "localhost"} if secure else {}
    with without_collector():
        async with await sluiceway.start_server(handle, "127.0.0.1", 0, **context) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server), **near)
            watched = await _talk(reader, writer)
            assert watched.alive == ["reader", "writer", "protocol", "connection"]
            writer.close()
            await writer.wait_closed()
            await asyncio.gather(*server.handlers)
            del reader, writer
            assert await _gone(watched, *served) == [[], []]


async def test_after_the_peers_end(raw_peers: RawPeers) -> None:
    """The peer ended, everything was read, then we closed."""
    with without_collector():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        watched = Watched(reader, writer)
        peer = listener.accept()
        peer.send(b"a line\nrest")
        peer.half_close()
        assert [line async for line in reader] == [b"a line\n", b"rest"]
        writer.close()
        await writer.wait_closed()
        del reader, writer
        assert await _gone(watched) == [[]]


async def test_after_a_flush(raw_peers: RawPeers) -> None:
    """Waits in drain and wait_closed, some cancelled, leave nothing."""
    with without_collector():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        watched = Watched(reader, writer)
        peer = listener.accept()
        writer.write(PAYLOAD)
        waits = [asyncio.create_task(writer.drain()) for _ in range(3)]
        waits += [asyncio.create_task(writer.wait_closed()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waits[::2]:
            task.cancel()
        writer.close()
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await asyncio.gather(*waits, return_exceptions=True)
        assert len(await receiving) == len(PAYLOAD)
        waits.clear()
        # The exceptions of cancelled tasks hold the frames in which they were raised.
        del reader, writer, task
        assert await _gone(watched) == [[]]


async def test_after_the_close_timeout(raw_peers: RawPeers) -> None:
    """The timer that aborted a connection holds it no longer."""
    with without_collector():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address, close_timeout=0.05)
        watched = Watched(reader, writer)
        peer = listener.accept()
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        del reader, writer
        assert await _gone(watched) == [[]]
        peer.close()


async def test_after_a_reset_that_nobody_saw(raw_peers: RawPeers) -> None:
    """The peer reset and nobody read: the error itself must not hold the connection."""
    with without_collector():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        watched = Watched(reader, writer)
        peer = listener.accept()
        peer.reset()
        while reader.exception() is None:
            await asyncio.sleep(0)
        writer.close()
        del reader, writer
        assert await _gone(watched) == [[]]


async def test_reader_dies_though_the_writer_is_kept_by_nobody(raw_peers: RawPeers) -> None:
    """An aborted connection with unread input."""
    with without_collector():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        watched = Watched(reader, writer)
        peer = listener.accept()
        peer.send(bytes(100_000))
        assert await reader.readexactly(1) == b"\0"
        writer.transport.abort()
        await writer.wait_closed()
        del reader, writer
        assert await _gone(watched) == [[]]


async def test_handler_that_returned(raw_peers: RawPeers) -> None:
    """A server's side of a connection whose handler closed without waiting."""
    served: list[Watched] = []

    async def handle(reader: Any, writer: Any) -> None:
        served.append(Watched(reader, writer))
        writer.write(b"bye")
        writer.close()

    with without_collector():
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b"bye"
            assert await _gone(*served) == [[]]
