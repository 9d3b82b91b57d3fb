"""S12: private attributes of asyncio's transports that published programs read or assign."""

import asyncio
import collections
import contextlib
import socket
import sys
import types
from typing import Any

import pytest

from support.certificates import Certificates
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeers

# uvloop's own transports do not have them.
asyncio_loops = pytest.mark.loops("asyncio", "debug", "eager")


@asyncio_loops
async def test_open_transport_has_private_attributes_of_asyncio(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((_, writer), (_, accepted)):
        transport: Any = writer.transport
        assert transport._loop is asyncio.get_running_loop()
        assert transport._protocol is transport.get_protocol()
        assert transport._sock.getpeername() == writer.get_extra_info("peername")
        assert transport._sock_fd == writer.get_extra_info("socket").fileno()
        assert transport._extra["peername"] == writer.get_extra_info("peername")
        assert transport._extra["sockname"] == writer.get_extra_info("sockname")
        assert transport._extra["socket"].family == socket.AF_INET
        assert (transport._low_water, transport._high_water) == transport.get_write_buffer_limits()
        assert not any((transport._buffer, transport._closing, transport._conn_lost, transport._eof))
        assert not transport._paused
        assert not transport._protocol_paused
        assert transport._server is None
        assert hasattr(accepted.transport, "_server")


@asyncio_loops
async def test_private_attributes_follow_state_of_transport(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    transport: Any = writer.transport
    transport.pause_reading()
    assert transport._paused
    transport.resume_reading()
    assert not transport._paused
    while not transport._protocol_paused:
        writer.write(bytes(1 << 20))
    assert transport._buffer
    assert isinstance(transport._buffer, collections.deque if sys.version_info >= (3, 12) else bytearray)
    # Since 3.15 asyncio's own transports count the bytes separately from the buffer.
    if sys.version_info < (3, 15) or not type(transport).__module__.startswith("asyncio."):
        transport._buffer.clear() if streams is asyncio else setattr(transport, "_buffer", [])
        assert transport.get_write_buffer_size() == 0
    transport.abort()
    assert transport._closing
    assert transport._conn_lost == 1
    writer.close()
    await writer.wait_closed()
    assert transport._sock is None
    assert transport._protocol is None
    peer.close()


@asyncio_loops
async def test_assigned_private_attributes_of_transport_take_effect(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    transport: Any = writer.transport
    transport._extra["peername"] = ("198.51.100.1", 1)
    transport._extra["name"] = "value"
    assert writer.get_extra_info("peername") == ("198.51.100.1", 1)
    assert writer.get_extra_info("name") == "value"
    transport._extra = {"peername": "assigned"}
    assert writer.get_extra_info("peername") == "assigned"
    transport._high_water = 5
    transport._low_water = 2
    assert transport.get_write_buffer_limits() == (2, 5)
    transport._eof = True
    with pytest.raises(RuntimeError, match="write_eof"):
        transport.write(b"refused")
    transport._eof = False
    transport._conn_lost = 1
    transport.write(b"discarded")
    transport._conn_lost = 0
    protocol = transport._protocol
    transport._protocol = asyncio.Protocol()
    assert transport.get_protocol() is not protocol
    transport._protocol = protocol
    transport.write(b"sent")
    assert peer.receive(4) == b"sent"
    transport._closing = True
    assert transport.is_closing()
    transport._closing = False
    transport._paused = True
    assert not transport.is_reading()
    transport._paused = False
    for paused in (True, False):
        transport._protocol_paused = paused
        assert transport._protocol_paused is paused
    transport._sock_fd = transport._sock.fileno()
    transport._server = None
    writer.close()
    await writer.wait_closed()


@asyncio_loops
async def test_data_assigned_to_buffer_replaces_unsent_data(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    transport: Any = writer.transport
    if sys.version_info >= (3, 15) and type(transport).__module__.startswith("asyncio."):
        # It counts the bytes separately from the buffer.
        transport.abort()
        return
    written = 0
    while not transport._protocol_paused:
        writer.write(bytes(1 << 20))
        written += 1 << 20
    sent = written - transport.get_write_buffer_size()
    pieces = map(memoryview, (b"assigned ", b"data"))
    transport._buffer = collections.deque(pieces) if sys.version_info >= (3, 12) else bytearray().join(pieces)
    assert transport.get_write_buffer_size() == len(b"assigned data")
    writer.close()
    assert await peer.in_thread(peer.receive_rest) == bytes(sent) + b"assigned data"
    await writer.wait_closed()


@asyncio_loops
async def test_eof_attribute_is_true_after_write_eof(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((_, writer), _):
        writer.write_eof()
        assert writer.transport._eof


@asyncio_loops
async def test_fatal_error_method_ends_the_connection_with_the_error(streams: types.ModuleType) -> None:
    async with connected_pair(streams) as ((reader, writer), _):
        writer.transport._fatal_error(ConnectionResetError("of the program"))
        with pytest.raises(ConnectionResetError, match="of the program"):
            await reader.read(1)


async def test_connection_lost_replaced_on_instance_is_called(streams: types.ModuleType, raw_peers: RawPeers) -> None:
    lost = []
    reader, writer = await streams.open_connection(*raw_peers.listen().address)
    protocol = writer.transport.get_protocol()

    def replace(number: int) -> None:
        replaced = protocol.connection_lost

        def connection_lost(error: Exception | None) -> None:
            lost.append((number, error))
            replaced(error)

        protocol.connection_lost = connection_lost

    replace(1)
    replace(2)
    writer.close()
    await writer.wait_closed()
    assert lost == [(2, None), (1, None)]
    assert reader.at_eof()
    del writer._protocol.connection_lost


async def test_connection_lost_replaced_on_instance_may_call_the_original_later(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    reader, writer = await streams.open_connection(*raw_peers.listen().address)
    protocol = writer.transport.get_protocol()
    replaced = protocol.connection_lost
    loop = asyncio.get_running_loop()
    protocol.connection_lost = lambda error: loop.call_soon(replaced, error)
    writer.close()
    await writer.wait_closed()
    assert reader.at_eof()
    del writer._protocol.connection_lost


async def test_flow_control_and_eof_replaced_on_instance_are_called(
    streams: types.ModuleType, raw_peers: RawPeers
) -> None:
    calls = []
    listener = raw_peers.listen()
    reader, writer = await streams.open_connection(*listener.address)
    peer = listener.accept()
    protocol = writer.transport.get_protocol()

    def replace(name: str) -> None:
        replaced = getattr(protocol, name)

        def method() -> Any:
            calls.append(name)
            return replaced()

        setattr(protocol, name, method)

    for name in ("pause_writing", "resume_writing", "eof_received"):
        replace(name)
        replace(name)
    size = 1 << 24
    writer.write(bytes(size))
    drained = asyncio.create_task(writer.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    await peer.in_thread(peer.receive, size)
    await drained
    peer.half_close()
    assert await reader.read() == b""
    assert calls == [name for name in ("pause_writing", "resume_writing", "eof_received") for _ in range(2)]
    # The connection is open for writing.
    writer.write(b"response")
    assert await peer.in_thread(peer.receive, 8) == b"response"
    writer.close()
    await writer.wait_closed()


@asyncio_loops
async def test_tls_transport_has_private_attributes_of_asyncio(streams: types.ModuleType, tls: Certificates) -> None:
    async def handle(reader: Any, writer: Any) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await streams.start_server(handle, "127.0.0.1", 0, ssl=tls.server_context) as server:
        reader, writer = await streams.open_connection(
            *server_address(server), ssl=tls.client_context, server_hostname="localhost"
        )
        transport: Any = writer.transport
        inner = transport._ssl_protocol
        assert transport._loop is inner._loop is asyncio.get_running_loop()
        assert not transport._closed
        assert inner._app_transport is transport
        assert inner._app_protocol is transport.get_protocol()
        assert inner._sslobj is inner._extra["ssl_object"] is writer.get_extra_info("ssl_object")
        assert inner._sslcontext is inner._extra["sslcontext"] is tls.client_context
        assert inner._extra["peercert"] == writer.get_extra_info("peercert")
        inner._transport.abort()
        assert await reader.read() == b""
        writer.close()
        assert transport._closed
        await writer.wait_closed()
