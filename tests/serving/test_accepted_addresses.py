"""``get_extra_info`` of an accepted connection returns the addresses and the socket that the kernel knows."""

import asyncio
import contextlib
import os
import socket
import types
from typing import Any

import pytest

import sluiceway


def listen_on(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family)
    sock.bind(address)
    return sock


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.10.200.255", "127.100.20.3"),
        ("0.0.0.0", "127.0.0.9"),
        ("::1", "::1"),
        ("::", "::ffff:127.0.0.1"),
    ],
)
async def test_accepted_connection_has_addresses_of_kernel(
    streams: types.ModuleType, cleanup: contextlib.ExitStack, host: str, client: str
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("the system has no IPv6")
    sock = cleanup.enter_context(socket.socket(family))
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, 0))
    peer = cleanup.enter_context(socket.socket(family))
    peer.bind((client, 0))
    await accepted_connection_has_addresses(streams, sock, peer, (host if host != "0.0.0.0" else client))


@pytest.mark.parametrize("name", ["unnamed", "path", "abstract"])
async def test_accepted_unix_connection_has_addresses_of_kernel(
    streams: types.ModuleType, cleanup: contextlib.ExitStack, unix_path: str, name: str
) -> None:
    sock = cleanup.enter_context(listen_on(socket.AF_UNIX, unix_path))
    peer = cleanup.enter_context(socket.socket(socket.AF_UNIX))
    if name == "path":
        peer.bind(f"{unix_path}-ü")
        cleanup.callback(os.unlink, f"{unix_path}-ü")
    elif name == "abstract":
        peer.bind(f"\0{unix_path}\0of a client".encode())
    await accepted_connection_has_addresses(streams, sock, peer, None)


async def test_line_break_in_the_path_of_a_peer_is_escaped_in_messages(
    cleanup: contextlib.ExitStack, unix_path: str
) -> None:
    described: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @sluiceway.stream_handler
    async def handle(stream: sluiceway.Stream) -> None:
        described.set_result(repr(stream))

    peer = cleanup.enter_context(socket.socket(socket.AF_UNIX))
    peer.bind(f"{unix_path}-\nforged".encode() + b"\xff")
    cleanup.callback(os.unlink, peer.getsockname())
    async with await sluiceway.start_unix_server(handle, unix_path):
        peer.connect(unix_path)
        assert await described == rf"<Stream connection {unix_path} -> {unix_path}-\nforged\udcff>"


async def accepted_connection_has_addresses(
    streams: types.ModuleType, sock: socket.socket, peer: socket.socket, host: str | None
) -> None:
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def handle(reader: Any, writer: Any) -> None:
        accepted.set_result(writer)

    start = streams.start_unix_server if sock.family == socket.AF_UNIX else streams.start_server
    async with await start(handle, sock=sock):
        address = sock.getsockname()
        if host is not None:
            address = (host if host != "::" else "::ffff:127.0.0.1", *address[1:])
        peer.connect(address)
        writer = await accepted
        ask = writer.get_extra_info
        assert ask("peername") == peer.getsockname()
        assert ask("sockname") == peer.getpeername()
        assert ask("socket").fileno() >= 0
        assert ask("socket").family == sock.family
        assert ask("socket").getsockname() == peer.getpeername()
        writer.close()
        await writer.wait_closed()
        assert ask("peername") == peer.getsockname()
        assert ask("sockname") == peer.getpeername()
