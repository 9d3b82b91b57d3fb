"""No reference cycle remains after a wait or a close: reference counting alone frees readers, writers and protocols."""

import asyncio
import contextlib
import gc
import io
import os
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.pipe_transports import PipeReadTransport
from sluiceway.stream import pipe_halves
from support import loops
from support.connections import server_address
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeers


@contextlib.contextmanager
def garbage_collector_disabled() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class WeakReferences:
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


async def alive_after_close(*references: WeakReferences) -> list[list[str]]:
    # The loop, and libuv some iterations longer, still refer to the callbacks of the close.
    for _ in range(20):
        await asyncio.sleep(0)
    return [one.alive for one in references]


async def exchange_data(reader: Any, writer: Any) -> WeakReferences:
    """Read and write by every method, with and without waits; return weak references."""
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
    return WeakReferences(reader, writer)


async def echo(reader: Any, writer: Any) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_closed_connection_leaves_no_cycle_on_either_side(secure: bool, tls: Any) -> None:
    """After close() and wait_closed() on both sides."""
    on_server: list[WeakReferences] = []

    async def handle(reader: Any, writer: Any) -> None:
        on_server.append(WeakReferences(reader, writer))
        await echo(reader, writer)

    context = {"ssl": tls.server_context} if secure else {}
    near = {"ssl": tls.client_context, "server_hostname": "localhost"} if secure else {}
    with garbage_collector_disabled():
        async with await sluiceway.start_server(handle, "127.0.0.1", 0, **context) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server), **near)
            references = await exchange_data(reader, writer)
            assert references.alive == ["reader", "writer", "protocol", "connection"]
            writer.close()
            await writer.wait_closed()
            await asyncio.gather(*server.handlers)
            del reader, writer
            assert await alive_after_close(references, *on_server) == [[], []]


def test_closed_loops_are_freed_when_another_loop_connects(loop_kind: str) -> None:
    """A program calls asyncio.run() again and again, with a connection in each loop."""
    closed: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def exchange() -> None:
        async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server))
            await exchange_data(reader, writer)
            writer.close()
            await writer.wait_closed()
            await asyncio.gather(*server.handlers)

    with garbage_collector_disabled():
        for _ in range(4):
            with loops.new_runner(loop_kind) as runner:
                runner.run(exchange())
                closed.append(weakref.ref(runner.get_loop()))
            del runner
        # The last one is freed later. In the main thread, uvloop refers to it, too.
        assert [loop() for loop in closed[:3]] == [None] * 3


async def test_stream_with_idle_timeout_leaves_no_cycle() -> None:
    """The connection refers to its idle timeout, which must not keep the connection alive."""
    with garbage_collector_disabled():
        first, second = await sluiceway.pair()
        first.idle_timeout = second.idle_timeout = 60
        references = WeakReferences(first.reader, first.writer), WeakReferences(second.reader, second.writer)
        await second.aclose()
        first.abort()
        del first, second
        assert await alive_after_close(*references) == [[], []]


async def test_connection_closed_after_eof_leaves_no_cycle(raw_peers: RawPeers) -> None:
    """After the peer's EOF, a read of all data, and close()."""
    with garbage_collector_disabled():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        references = WeakReferences(reader, writer)
        peer = listener.accept()
        peer.send(b"a line\nrest")
        peer.half_close()
        assert [line async for line in reader] == [b"a line\n", b"rest"]
        writer.close()
        await writer.wait_closed()
        del reader, writer
        assert await alive_after_close(references) == [[]]


async def test_cancelled_and_completed_waits_leave_no_cycle(raw_peers: RawPeers) -> None:
    """After waits in drain() and wait_closed(), some of them cancelled."""
    with garbage_collector_disabled():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        references = WeakReferences(reader, writer)
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
        # The exceptions of cancelled tasks refer to the frames that raised them.
        del reader, writer, task
        assert await alive_after_close(references) == [[]]


async def test_connection_aborted_by_the_close_timeout_leaves_no_cycle(raw_peers: RawPeers) -> None:
    """The timer drops its reference to the connection."""
    with garbage_collector_disabled():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address, close_timeout=0.05)
        references = WeakReferences(reader, writer)
        peer = listener.accept()
        writer.write(PAYLOAD)
        writer.close()
        await writer.wait_closed()
        del reader, writer
        assert await alive_after_close(references) == [[]]
        peer.close()


async def test_reset_that_no_read_raised_leaves_no_cycle(raw_peers: RawPeers) -> None:
    """The stored error does not refer to the connection."""
    with garbage_collector_disabled():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        references = WeakReferences(reader, writer)
        peer = listener.accept()
        peer.reset()
        while reader.exception() is None:
            await asyncio.sleep(0)
        writer.close()
        del reader, writer
        assert await alive_after_close(references) == [[]]


async def test_aborted_connection_with_unread_data_leaves_no_cycle(raw_peers: RawPeers) -> None:
    """After abort() and wait_closed()."""
    with garbage_collector_disabled():
        listener = raw_peers.listen()
        reader, writer = await sluiceway.open_connection(*listener.address)
        references = WeakReferences(reader, writer)
        peer = listener.accept()
        peer.send(bytes(100_000))
        assert await reader.readexactly(1) == b"\0"
        writer.transport.abort()
        await writer.wait_closed()
        del reader, writer
        assert await alive_after_close(references) == [[]]


async def test_handler_that_closes_and_returns_leaves_no_cycle(raw_peers: RawPeers) -> None:
    """The handler does not call wait_closed()."""
    on_server: list[WeakReferences] = []

    async def handle(reader: Any, writer: Any) -> None:
        on_server.append(WeakReferences(reader, writer))
        writer.write(b"bye")
        writer.close()

    with garbage_collector_disabled():
        async with await sluiceway.start_server(handle, "127.0.0.1", 0) as server:
            peer = raw_peers.connect(server_address(server))
            assert await peer.in_thread(peer.receive_rest) == b"bye"
            assert await alive_after_close(*on_server) == [[]]


async def test_closed_pipe_leaves_no_cycle() -> None:
    """The transport drops its protocol when it has called connection_lost()."""
    with garbage_collector_disabled():
        read_end, write_end = os.pipe()
        source, target = await sluiceway.pipe(read_end), await sluiceway.pipe(write_end)
        assert target.writer is not None
        protocols = [source.reader._transport.get_protocol(), target.writer.transport.get_protocol()]
        references = [weakref.ref(one) for protocol in protocols for one in (protocol, protocol._sluiceway)]
        protocols.clear()
        await target.send(b"a line\n")
        assert await source.read_line() == b"a line\n"
        await target.aclose()
        assert await source.read_all() == b""
        await source.aclose()
        del source, target
        for _ in range(20):
            await asyncio.sleep(0)
        assert [reference() for reference in references] == [None] * 4


async def test_pipe_stream_that_could_not_be_completed_leaves_no_cycle() -> None:
    """The reader is complete when its writer fails."""
    made: list[weakref.ref[Any]] = []

    def fail(*arguments: object) -> None:
        made.extend(weakref.ref(one) for one in gc.get_objects() if isinstance(one, PipeReadTransport))
        raise OSError("no writer")

    with garbage_collector_disabled(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipe_halves, "open_writer", fail)
        read_end, write_end = os.pipe()
        files = io.FileIO(read_end, "r"), io.FileIO(write_end, "w")
        with pytest.raises(OSError, match="no writer"):
            pipe_halves.open_stream(asyncio.get_running_loop(), *files, 1000)
        assert [reference() for reference in made] == [None]
