"""The error of a lost connection says what happened, and names both ends."""

import asyncio
import contextlib
import errno
import os
import re
import socket
import types
from typing import Any

import pytest

import sluiceway
from support.fake_transports import CountingTransport
from support.raw_peer import RawPeers


def ends_of(writer: Any) -> str:
    (here, port), (there, peer_port) = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    return f"connection {here}:{port} -> {there}:{peer_port}"


async def test_reset_connection_names_both_ends_in_read_drain_and_wait_closed(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    reader, writer = await sluiceway.open_connection(*listener.address)
    ends = ends_of(writer)
    listener.accept().reset()
    expected = f"[Errno {errno.ECONNRESET}] {os.strerror(errno.ECONNRESET)} ({ends})"
    for failing in (reader.read, writer.drain, writer.wait_closed):
        with pytest.raises(ConnectionResetError) as raised:
            await failing()
        assert str(raised.value) == expected
        assert raised.value.errno == errno.ECONNRESET
    writer.close()


async def test_failed_send_to_a_closed_peer_names_both_ends(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    ends = ends_of(writer)
    listener.accept().close()
    with pytest.raises(ConnectionError, match=re.escape(f"({ends})")):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)
    writer.close()


async def test_drain_after_own_close_reports_that_close_was_called(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    ends = ends_of(writer)
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionResetError) as raised:
        await writer.drain()
    assert str(raised.value) == f"Connection lost: this program has closed {ends}"


async def test_drain_after_abort_reports_that_the_connection_has_ended(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    ends = ends_of(writer)
    writer.transport.abort()
    await writer.wait_closed()
    with pytest.raises(ConnectionResetError) as raised:
        await writer.drain()
    assert str(raised.value) == f"Connection lost: {ends} has ended"
    writer.close()


async def test_drain_of_a_broken_pipe_has_the_error_of_the_system() -> None:
    """A pipe has no addresses and its writer no reader, so drain() raises asyncio's error."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    transport, protocol = await loop.connect_write_pipe(sluiceway.FlowControlMixin, os.fdopen(writing, "wb", 0))
    writer = sluiceway.StreamWriter(transport, protocol, None, loop)
    os.close(reading)
    with pytest.raises(ConnectionResetError, match=r"^Connection lost: "):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_drain_without_a_transport_raises_connection_reset_error() -> None:
    """A protocol that a program uses alone, as the interpreter's own tests do."""

    async def drain() -> None:
        protocol = sluiceway.FlowControlMixin()
        protocol.connection_lost(ConnectionResetError("the program's"))
        await protocol._drain_helper()

    with pytest.raises(ConnectionResetError, match=r"^Connection lost: the program's$"):
        asyncio.run(drain())


async def test_error_of_the_program_without_a_number_keeps_its_words(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    protocol = streams.StreamReaderProtocol(reader)
    protocol.connection_lost(ConnectionResetError())
    with pytest.raises(ConnectionResetError) as raised:
        await reader.read()
    assert str(raised.value) == ""


async def test_read_from_a_socket_without_a_peer_advises_to_connect_it() -> None:
    reader, writer = await sluiceway.open_connection(sock=socket.socket())
    with pytest.raises(
        OSError, match=r"-> an unnamed socket; connect a socket before it is passed as sock=\)$"
    ) as raised:
        await reader.read()
    assert raised.value.errno == errno.ENOTCONN
    writer.close()


async def test_socket_whose_connect_is_pending_carries_data(raw_peers: RawPeers) -> None:
    """Why open_connection() cannot refuse a socket without a peer."""
    listener = raw_peers.listen()
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(listener.address)
    reader, writer = await sluiceway.open_connection(sock=sock)
    peer = listener.accept()
    peer.send(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()


class UnprintableError(ConnectionResetError):
    def __str__(self) -> str:
        raise LookupError


async def test_error_whose_str_raises_ends_the_connection(streams: types.ModuleType) -> None:
    """Otherwise reads and wait_closed() would wait without end."""
    reader = streams.StreamReader()
    protocol = streams.StreamReaderProtocol(reader)
    protocol.connection_made(CountingTransport())
    protocol.connection_lost(UnprintableError(errno.ECONNRESET, "reset"))
    with pytest.raises(UnprintableError):
        await reader.read()
