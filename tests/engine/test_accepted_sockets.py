"""An accepted connection has no socket object until the program asks for it."""

import asyncio
import contextlib
import gc
import os
import socket
from typing import Any

import pytest

import sluiceway
from serving.recording_socket import bound_recording_socket
from sluiceway._transports.epoll.listening_socket import ListeningSocket
from sluiceway._transports.epoll.transport import attach
from support.connections import connected_pair, server_address
from support.raw_peer import RawPeers


def socket_objects() -> int:
    return sum(type(one) is socket.socket for one in gc.get_objects())


async def test_accepted_connection_has_no_socket_object_until_program_asks() -> None:
    async with connected_pair(sluiceway) as (_, (_, writer)):
        gc.collect()
        before = socket_objects()
        sock = writer.get_extra_info("socket")
        assert socket_objects() == before + 1
        assert sock.gettimeout() == 0
        assert writer.get_extra_info("socket")._sock is sock._sock
        assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)


@pytest.mark.parametrize("asked_before", [True, False])
async def test_socket_of_closed_connection_is_closed(asked_before: bool) -> None:
    async with connected_pair(sluiceway) as (_, (_, writer)):
        if asked_before:
            writer.get_extra_info("socket")
        writer.close()
        await writer.wait_closed()
        sock = writer.get_extra_info("socket")
        assert (sock.fileno(), sock.family) == (-1, socket.AF_INET)
        with pytest.raises(OSError, match="Bad file descriptor"):
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


async def test_accepted_socket_does_not_block_and_is_not_inherited() -> None:
    async with connected_pair(sluiceway) as (_, (_, writer)):
        descriptor = writer.get_extra_info("socket").fileno()
        assert not os.get_blocking(descriptor)
        assert not os.get_inheritable(descriptor)


async def test_accept_of_class_of_program_is_called() -> None:
    accepted = asyncio.Event()

    def handle(reader: Any, writer: Any) -> None:
        writer.close()
        accepted.set()

    listener = bound_recording_socket()
    async with await sluiceway.start_server(handle, sock=listener) as server:
        with socket.create_connection(server_address(server)):
            await accepted.wait()
            assert listener.accepts > 0


async def test_unreferenced_transport_of_program_closes_its_descriptor_with_warning(raw_peers: RawPeers) -> None:
    """The poller refers to a transport only while the transport receives or sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = raw_peers.connect(listener.getsockname())
        accepted, address = ListeningSocket(listener).accept()
        attach(asyncio.get_running_loop(), accepted, asyncio.Protocol(), address).pause_reading()
        with pytest.warns(ResourceWarning, match="unclosed <socket"):
            gc.collect()
        with contextlib.suppress(ConnectionResetError):
            assert peer.receive_rest() == b""


def test_unused_accepted_socket_closes_its_descriptor_once(raw_peers: RawPeers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = ListeningSocket(listener)
        peer = raw_peers.connect(listener.getsockname())
        accepted, address = source.accept()
        assert address == peer.sock.getsockname()
        accepted.close()
        assert peer.receive_rest() == b""
        with socket.socket() as other:
            # The closed descriptor's number.
            accepted.close()
            del accepted
            other.getsockname()


def test_accept_without_a_connection_raises_as_the_socket_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        source = ListeningSocket(listener)
        with pytest.raises(BlockingIOError):
            source.accept()
    with pytest.raises(OSError, match="Bad file descriptor"):
        source.accept()
