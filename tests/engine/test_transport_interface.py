"""The engine's transport is in use on every kind of loop and has the whole interface of asyncio.Transport."""

import asyncio
import socket

import pytest

import sluiceway
from engine.peer_connections import open_connections
from sluiceway._transports.epoll.transport import SocketTransport
from support.connections import connected_pair
from support.raw_peer import RawPeers


async def test_both_sides_of_a_tcp_connection_use_the_engine():
    async with connected_pair(sluiceway) as ((_, near), (_, far)):
        for writer in (near, far):
            assert isinstance(writer.transport, SocketTransport)
            assert type(writer.transport).__name__ == "SocketTransport"
            assert isinstance(writer.transport, asyncio.Transport)


async def test_objects_of_a_connection_have_no_instance_dict():
    """Instance dicts would take a fifth of the memory of an idle connection."""
    async with connected_pair(sluiceway) as connections:
        for _, writer in connections:
            protocol = writer._protocol
            assert not hasattr(protocol._sluiceway, "__dict__")
            assert vars(writer) == {}
            # In debug mode the protocol has the traceback of its creation.
            assert vars(protocol).keys() <= {"_source_traceback"}


async def test_both_sides_of_a_unix_connection_use_the_engine(unix_path: str):
    accepted = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        accepted.set_result(writer.transport)
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await sluiceway.start_unix_server(handle, unix_path):
        reader, writer = await sluiceway.open_unix_connection(unix_path)
        writer.write(b"over\n")
        assert await reader.read() == b"over\n"
        assert isinstance(writer.transport, SocketTransport)
        assert isinstance(await accepted, SocketTransport)
        writer.close()
        await writer.wait_closed()


async def test_state_and_extra_info_before_and_after_close(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    transport = connection.transport
    assert transport.is_reading()
    assert not transport.is_closing()
    assert transport.can_write_eof()
    assert transport.get_write_buffer_size() == 0
    assert transport.get_write_buffer_limits() == (16384, 65536)
    assert transport.get_extra_info("peername") == connection.peer.sock.getsockname()
    assert transport.get_extra_info("sockname") == connection.peer.sock.getpeername()
    assert transport.get_extra_info("socket").family == socket.AF_INET
    assert transport.get_extra_info("cipher") is None
    assert transport.get_extra_info("nothing of this name", "default") == "default"
    fd = transport.get_extra_info("socket").fileno()
    assert f"fd={fd}" in repr(transport)
    assert "SocketTransport" in repr(transport)
    await connection.close()
    assert transport.is_closing()
    assert not transport.is_reading()
    assert "closed" in repr(transport)
    assert transport.get_extra_info("peername") == connection.peer.sock.getsockname()
    assert transport.get_extra_info("sockname") == connection.peer.sock.getpeername()


async def test_set_write_buffer_limits_has_the_defaults_and_errors_of_asyncio(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    transport = connection.transport
    transport.set_write_buffer_limits(high=1000)
    assert transport.get_write_buffer_limits() == (250, 1000)
    transport.set_write_buffer_limits(low=100)
    assert transport.get_write_buffer_limits() == (100, 400)
    transport.set_write_buffer_limits(0, 0)
    assert transport.get_write_buffer_limits() == (0, 0)
    transport.set_write_buffer_limits()
    assert transport.get_write_buffer_limits() == (16384, 65536)
    with pytest.raises(ValueError, match="must be >="):
        transport.set_write_buffer_limits(high=1, low=2)
    with pytest.raises(ValueError, match="must be >="):
        transport.set_write_buffer_limits(high=1, low=-1)
    assert transport.get_write_buffer_limits() == (16384, 65536)
    await connection.close()


async def test_write_and_writelines_accept_bytes_like_objects_until_write_eof(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    for data in (b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview "), b""):
        connection.transport.write(data)
    connection.transport.writelines([b"lines ", bytearray(b"of "), memoryview(b"a-n-y-")[::2]])
    with pytest.raises(TypeError):
        connection.transport.write("text")
    connection.transport.write_eof()
    connection.transport.write_eof()
    with pytest.raises(RuntimeError):
        connection.transport.write(b"after the end")
    assert await connection.peer.in_thread(connection.peer.receive_rest) == b"bytes bytearray memoryview lines of any"
    await connection.close()


async def test_methods_of_a_closed_transport_have_no_effect(raw_peers: RawPeers):
    [connection] = await open_connections(raw_peers)
    transport = connection.transport
    await connection.close()
    transport.write(b"lost")
    transport.writelines([b"lost"])
    transport.write_eof()
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(1)
    transport.close()
    transport.abort()
    assert transport.get_write_buffer_size() == 0
    await asyncio.sleep(0)
    assert connection.peer.receive_rest() == b""
