"""S12: private attributes that classes of programs assign to their protocols take effect as in asyncio."""

import asyncio
import collections
import gc
import types
import weakref
from asyncio import streams as asyncio_streams
from collections.abc import Callable
from typing import Any

import pytest

from support.connections import connect_with_protocol, connected_pair, server_address
from support.non_reading_peer import PAYLOAD
from support.raw_peer import RawPeers


async def echoed_line(factory: Callable[[], Any], raw_peers: RawPeers) -> bytes:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    async with server:
        peer = raw_peers.connect(server_address(server))
        peer.send(b"echoed\n")
        return await peer.in_thread(peer.receive_rest)


async def echo(protocol: Any) -> None:
    line = await protocol.reader.readline()
    gc.collect()
    writer = protocol._stream_writer
    writer.write(line)
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("before", [False, True], ids=["after_init", "before_init"])
async def test_protocol_keeps_writer_that_it_assigns(
    streams: types.ModuleType, before: bool, raw_peers: RawPeers
) -> None:
    """neo-mamba assigns the attributes before ``__init__`` of the base class, and nothing else refers to the writer."""

    class Protocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.reader = streams.StreamReader()
            if before:
                self._stream_reader_wr = weakref.ref(self.reader)
                self._stream_writer = None
                self._transport = None
                self._closed = None
                self._loop = asyncio.get_running_loop()
            super().__init__(self.reader)

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._stream_writer = streams.StreamWriter(transport, self, self.reader, self._loop)
            self.task = asyncio.ensure_future(echo(self))

    assert await echoed_line(Protocol, raw_peers) == b"echoed\n"


async def test_callback_assigns_writer(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    class Protocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.reader = streams.StreamReader()
            super().__init__(self.reader, self.connected)
            self._stream_writer = None

        def connected(self, reader: Any, writer: Any) -> None:
            self._stream_writer = writer
            self.task = asyncio.ensure_future(echo(self))

    assert await echoed_line(Protocol, raw_peers) == b"echoed\n"


async def test_flow_control_attributes_replace_init(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    base = asyncio_streams.FlowControlMixin if streams is asyncio else streams.FlowControlMixin

    class Protocol(base):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            self._paused = False
            self._drain_waiters = collections.deque[Any]()
            self._connection_lost = False
            self._loop = asyncio.get_running_loop()
            self.reader = streams.StreamReader()

        def connection_made(self, transport: Any) -> None:
            self.reader.set_transport(transport)
            self._stream_writer = streams.StreamWriter(transport, self, self.reader, self._loop)
            self.task = asyncio.ensure_future(echo(self))

        def data_received(self, data: bytes) -> None:
            self.reader.feed_data(data)

    assert await echoed_line(Protocol, raw_peers) == b"echoed\n"


async def test_attributes_assigned_after_upgrade(streams: types.ModuleType) -> None:
    """Programs that are older than StreamWriter.start_tls() assign these after loop.start_tls()."""
    async with connected_pair(streams) as ((_, writer), _far):
        protocol, transport = writer._protocol, writer.transport
        assert protocol._reject_connection is False
        protocol._stream_writer = writer
        protocol._transport = transport
        protocol._over_ssl = True
        assert protocol._stream_writer is writer
        protocol._over_ssl = False


async def test_assigned_closed_future_is_completed(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    async with connect_with_protocol(streams, listener.address) as (_, writer, protocol):
        replaced = protocol._closed
        protocol._closed = asyncio.get_running_loop().create_future()
        writer.close()
        await protocol._closed
        assert not replaced.done()
        assert protocol._connection_lost is True


async def test_connection_with_completed_closed_future_goes_on(streams: types.ModuleType) -> None:
    """A program can assign such a future so that wait_closed() does not wait."""
    async with connected_pair(streams) as ((_, writer), (far_reader, _far_writer)):
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        writer._protocol._closed = future
        # A callback of the future would run in the next iteration.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        writer.write(b"line\n")
        assert await far_reader.readline() == b"line\n"


async def test_reader_attributes_assigned_before_init(streams: types.ModuleType) -> None:
    """The zip reader of waterbutler assigns ``_eof`` before it calls ``__init__`` of its base class."""

    class Reader(streams.StreamReader):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self._eof = False
            self._limit = 1
            super().__init__()

    reader = Reader()
    reader.feed_data(b"longer than 1\n")
    assert await reader.readline() == b"longer than 1\n"


async def test_reader_attributes_replace_init(streams: types.ModuleType) -> None:
    class Reader(streams.StreamReader):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self._buffer = bytearray(b"line\nrest")
            self._eof = True
            self._exception = self._transport = self._waiter = None
            self._limit = 100
            self._paused = False
            self._loop = asyncio.get_running_loop()

    reader = Reader()
    assert await reader.readline() == b"line\n"
    assert await reader.read() == b"rest"
    assert reader.at_eof()


async def test_assignment_that_raises_attribute_error(streams: types.ModuleType) -> None:
    class Reader(streams.StreamReader):  # type: ignore[name-defined, misc]
        @property
        def fixed(self) -> int:
            return 1

    reader = Reader()
    reader.feed_data(b"kept")
    with pytest.raises(AttributeError):
        reader.fixed = 2
    assert await reader.read(4) == b"kept"


def test_attributes_assigned_outside_a_loop(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    class Reader(streams.StreamReader):  # type: ignore[name-defined, misc]
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._eof = False
            super().__init__(loop=loop)

    class Protocol(streams.StreamReaderProtocol):  # type: ignore[name-defined, misc]
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._paused = False
            self.reader = Reader(loop)
            super().__init__(self.reader, loop=loop)

    class WithoutInit(asyncio_streams.FlowControlMixin if streams is asyncio else streams.FlowControlMixin):  # type: ignore[misc]
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._paused = self._connection_lost = False
            self._loop = loop
            self._drain_waiters = collections.deque[Any]()

    async def use(protocol: Any) -> None:
        transport, _ = await loop.create_connection(lambda: protocol, *raw_peers.listen().address)
        writer = streams.StreamWriter(transport, protocol, None, loop)
        writer.write(PAYLOAD)
        writer.close()
        transport.abort()

    # Since Python 3.14, without a current loop asyncio.get_event_loop() raises RuntimeError.
    asyncio.set_event_loop(None)
    loop = asyncio.new_event_loop()
    try:
        for protocol in (Protocol(loop), WithoutInit(loop)):
            assert protocol._loop is loop
            loop.run_until_complete(use(protocol))
    finally:
        loop.close()


async def test_reader_method_replaced_before_init(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    class Reader(streams.StreamReader):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.arrived: list[bytes] = []
            self.feed_data = self.arrived.append
            super().__init__()

    reader = Reader()
    listener = raw_peers.listen()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: streams.StreamReaderProtocol(reader), *listener.address)
    peer = listener.accept()
    peer.send(b"data")
    peer.close()
    assert await reader.read() == b""
    assert b"".join(reader.arrived) == b"data"
    transport.close()


class RecordingTransport(asyncio.Transport):
    """A transport of a test: it keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("only_transport", [False, True])
def test_writer_attributes_replace_init_without_loop(streams: types.ModuleType, only_transport: bool) -> None:
    """Tests of servers derive a writer whose ``__init__`` assigns the attributes, or ``_transport`` alone."""

    class Writer(streams.StreamWriter):  # type: ignore[name-defined, misc]
        def __init__(self, transport: Any) -> None:
            self._transport = transport
            if not only_transport:
                self._protocol = self._reader = self._loop = None

    transport = RecordingTransport()
    writer = Writer(transport)
    writer.write(b"first")
    writer.writelines([b"sec", b"ond"])
    assert b"".join(transport.written) == b"firstsecond"
    assert writer.transport is transport
    assert writer.get_extra_info("peername", "none") == "none"
    assert not writer.is_closing()
    writer.close()
    assert transport.closed
    assert writer.is_closing()


@pytest.mark.parametrize("protocol_first", [False, True])
async def test_writer_attributes_replace_init_of_connection(
    streams: types.ModuleType, protocol_first: bool, raw_peers: RawPeers
) -> None:
    class Writer(streams.StreamWriter):  # type: ignore[name-defined, misc]
        def __init__(self, transport: Any, protocol: Any, reader: Any, loop: Any) -> None:
            if protocol_first:
                self._protocol = protocol
            self._transport = transport
            self._protocol = protocol
            self._reader = reader
            self._loop = loop

    def connected(reader: Any, writer: Any) -> None:
        protocol.reader = reader
        protocol._stream_writer = Writer(writer.transport, protocol, reader, asyncio.get_running_loop())
        protocol.task = asyncio.ensure_future(serve(writer, protocol))

    async def serve(first: Any, protocol: Any) -> None:
        await echo(protocol)
        await protocol._stream_writer.wait_closed()
        assert first.is_closing()

    reader = streams.StreamReader()
    protocol = streams.StreamReaderProtocol(reader, connected)
    assert await echoed_line(lambda: protocol, raw_peers) == b"echoed\n"
    await protocol.task


async def test_writer_attributes_assigned_before_init(streams: types.ModuleType) -> None:
    class Writer(streams.StreamWriter):  # type: ignore[name-defined, misc]
        def __init__(self, transport: Any, protocol: Any, reader: Any, loop: Any) -> None:
            self._reader = reader
            self._transport = None
            self._loop = loop
            super().__init__(transport, protocol, reader, loop)

    async with connected_pair(streams) as ((reader, writer), (far_reader, far_writer)):
        derived = Writer(writer.transport, writer._protocol, reader, asyncio.get_running_loop())
        derived.write(b"derived")
        await derived.drain()
        assert await far_reader.readexactly(7) == b"derived"
        far_writer.write(b"answer")
        assert await reader.readexactly(6) == b"answer"


async def test_reader_assigned_to_writer_without_init_keeps_its_connection(streams: types.ModuleType) -> None:
    class Writer(streams.StreamWriter):  # type: ignore[name-defined, misc]
        def __init__(self, reader: Any) -> None:
            self._reader = reader
            self._transport = RecordingTransport()
            self._loop = asyncio.get_running_loop()

    async with connected_pair(streams) as ((reader, writer), (_far_reader, far_writer)):
        recording = Writer(reader)
        recording.write(b"recorded")
        recording.close()
        del recording
        gc.collect()
        far_writer.write(b"open")
        assert await reader.readexactly(4) == b"open"
        assert not writer.is_closing()
