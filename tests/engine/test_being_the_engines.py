"""The connections of every kind of loop are the engine's, on both ends, and have the whole interface of a transport."""

import asyncio
import socket

import pytest

import sluiceway
from engine.ends import opened
from sluiceway._transports.epoll.socket_transport import SocketTransport
from support.connections import connected
from support.peer import Peers


async def test_both_ends_over_tcp():
    async with connected(sluiceway) as ((_, near), (_, far)):
        for writer in (near, far):
            assert isinstance(writer.transport, SocketTransport)
            assert type(writer.transport).__name__ == "SocketTransport"
            assert isinstance(writer.transport, asyncio.Transport)


async def test_no_object_of_a_connection_has_a_dict():
    """Three of them were a fifth of an idle connection."""
    async with connected(sluiceway) as ends:
        for _, writer in ends:
            protocol = writer._protocol
            assert not hasattr(protocol._ps_connection, "__dict__")
            assert vars(writer) == {}
            # In debug mode it knows where it was made.
            assert vars(protocol).keys() <= {"_source_traceback"}


async def test_both_ends_over_unix(unix_path: str):
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


async def test_what_a_transport_tells(peer: Peers):
    [end] = await opened(peer)
    transport = end.transport
    assert transport.is_reading()
    assert not transport.is_closing()
    assert transport.can_write_eof()
    assert transport.get_write_buffer_size() == 0
    assert transport.get_write_buffer_limits() == (16384, 65536)
    assert transport.get_extra_info("peername") == end.wire.sock.getsockname()
    assert transport.get_extra_info("sockname") == end.wire.sock.getpeername()
    assert transport.get_extra_info("socket").family == socket.AF_INET
    assert transport.get_extra_info("cipher") is None
    assert transport.get_extra_info("nothing of this name", "default") == "default"
    fd = transport.get_extra_info("socket").fileno()
    assert f"fd={fd}" in repr(transport)
    assert "SocketTransport" in repr(transport)
    await end.close()
    assert transport.is_closing()
    assert not transport.is_reading()
    assert "closed" in repr(transport)
    assert transport.get_extra_info("peername") == end.wire.sock.getsockname()
    assert transport.get_extra_info("sockname") == end.wire.sock.getpeername()


async def test_buffer_limits(peer: Peers):
    [end] = await opened(peer)
    transport = end.transport
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
    await end.close()


async def test_what_a_transport_writes(peer: Peers):
    [end] = await opened(peer)
    for data in (b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview "), b""):
        end.transport.write(data)
    end.transport.writelines([b"lines ", bytearray(b"of "), memoryview(b"any")])
    with pytest.raises(TypeError):
        end.transport.write("text")
    end.transport.write_eof()
    end.transport.write_eof()
    with pytest.raises(RuntimeError):
        end.transport.write(b"after the end")
    assert await end.wire.in_thread(end.wire.receive_rest) == b"bytes bytearray memoryview lines of any"
    await end.close()


async def test_after_its_end_it_is_harmless(peer: Peers):
    [end] = await opened(peer)
    transport = end.transport
    await end.close()
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
    assert end.wire.receive_rest() == b""
