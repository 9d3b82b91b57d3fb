"""What start_server and start_unix_server refuse: a TypeError or ValueError with a sentence, nothing opened."""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.unreachable_addresses import refusing_address


def ignore(reader: Any, writer: Any) -> None:
    writer.close()


REFUSED = [
    ({"ssl": True}, TypeError, "SSLContext or None, not True.*certificate"),
    ({"ssl": False}, TypeError, "SSLContext or None, not False"),
    ({"ssl": "cert.pem"}, TypeError, "SSLContext or None, not 'cert.pem'"),
    (
        {"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
        ValueError,
        "ssl is a context of PROTOCOL_TLS_CLIENT: a server needs one of PROTOCOL_TLS_SERVER, with its certificate",
    ),
    ({"strict_eof": True}, ValueError, "strict_eof is only meaningful with ssl"),
    ({"ssl_handshake_timeout": 5.0}, ValueError, "ssl_handshake_timeout is only meaningful with ssl"),
    ({"ssl_shutdown_timeout": 5.0}, ValueError, "ssl_shutdown_timeout is only meaningful with ssl"),
    ({"close_timeout": 0}, ValueError, "close_timeout should be a positive number of seconds, got 0"),
    ({"close_timeout": -1}, ValueError, "close_timeout should be a positive number of seconds, got -1"),
    ({"close_timeout": "soon"}, TypeError, "close_timeout is a number of seconds or None, not str 'soon'"),
    ({"limit": 0}, ValueError, "Limit cannot be <= 0: 0 was given"),
    ({"limit": "64k"}, TypeError, "limit is a number of bytes or None, not str '64k'"),
    ({"no_such_option": 1}, TypeError, "no_such_option"),
]


@pytest.mark.parametrize(("options", "error", "sentence"), REFUSED)
async def test_option(options: dict[str, Any], error: type[Exception], sentence: str, unix_path: str) -> None:
    address = refusing_address()
    with pytest.raises(error, match=sentence):
        await sluiceway.start_server(ignore, *address, **options)
    with socket.socket() as sock:
        assert sock.connect_ex(address) != 0
    with pytest.raises(error, match=sentence):
        await sluiceway.start_unix_server(ignore, unix_path, **options)
    assert not os.path.exists(unix_path)


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
async def test_timeout_that_is_not_above_zero(name: str, tls: Certificates, unix_path: str) -> None:
    options: dict[str, Any] = {name: 0, "ssl": tls.server_context}
    with pytest.raises(ValueError, match=f"{name} should be a positive number of seconds, got 0"):
        await sluiceway.start_server(ignore, "127.0.0.1", 0, **options)
    with pytest.raises(ValueError, match=f"{name} should be a positive number of seconds, got 0"):
        await sluiceway.start_unix_server(ignore, unix_path, **options)


@pytest.mark.parametrize("callback", [None, "handle", 5, object()])
async def test_a_callback_that_cannot_be_called(callback: Any, unix_path: str) -> None:
    sentence = rf"client_connected_cb takes a function of \(reader, writer\), not {type(callback).__name__}"
    with pytest.raises(TypeError, match=sentence):
        await sluiceway.start_server(callback, "127.0.0.1", 0)
    with pytest.raises(TypeError, match=sentence):
        await sluiceway.start_unix_server(callback, unix_path)
    assert not os.path.exists(unix_path)


async def test_neither_address_nor_socket() -> None:
    with pytest.raises(ValueError, match="Neither host/port nor sock"):
        await sluiceway.start_server(ignore)
    with pytest.raises(ValueError, match="path was not specified, and no sock"):
        await sluiceway.start_unix_server(ignore)


async def test_address_and_socket(unix_path: str) -> None:
    with socket.socket() as sock:
        for address in (("127.0.0.1", 0), ("127.0.0.1", None), (None, 0)):
            with pytest.raises(ValueError, match="host/port and sock can not be specified at the same time"):
                await sluiceway.start_server(ignore, *address, sock=sock)
        assert sock.fileno() >= 0
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(ValueError, match="path and sock can not be specified at the same time"):
            await sluiceway.start_unix_server(ignore, unix_path, sock=sock)
        assert sock.fileno() >= 0


async def test_a_datagram_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            await sluiceway.start_server(ignore, sock=sock)
        assert sock.fileno() >= 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
            await sluiceway.start_unix_server(ignore, sock=sock)
        assert sock.fileno() >= 0


async def test_a_tcp_socket_for_a_unix_server() -> None:
    with socket.socket() as sock:
        with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
            await sluiceway.start_unix_server(ignore, sock=sock)
        assert sock.fileno() >= 0


async def test_a_socket_that_ssl_has_wrapped(tls: Certificates) -> None:
    with socket.socket() as plain, tls.server_context.wrap_socket(plain, server_side=True) as wrapped:
        assert isinstance(wrapped, ssl.SSLSocket)
        with pytest.raises(TypeError, match="SSLSocket"):
            await sluiceway.start_server(ignore, sock=wrapped)
        assert wrapped.fileno() >= 0


async def test_an_address_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"bind on address \('127.0.0.1', {port}\).*in use"):
            await sluiceway.start_server(ignore, "127.0.0.1", port)


@contextlib.contextmanager
def port_in_use_on_ipv6_only() -> Iterator[int]:
    """A port that a server has on ::1, and that no other process takes on 127.0.0.1 meanwhile."""
    while True:
        with socket.socket() as reserved:
            # Bound, but not listening: a server that sets SO_REUSEADDR as well may bind it.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
            try:
                other = socket.create_server(("::1", port), family=socket.AF_INET6)
            except OSError:
                continue
            with other:
                yield port
                return


async def test_one_of_several_in_use_leaves_none_open() -> None:
    with port_in_use_on_ipv6_only() as port:
        with pytest.raises(OSError, match=rf"'::1', {port}.*in use"):
            await sluiceway.start_server(ignore, ["127.0.0.1", "::1"], port)
        with socket.create_server(("127.0.0.1", port)):
            pass


async def test_an_address_that_is_not_of_this_machine() -> None:
    with pytest.raises(OSError, match=r"could not bind on any address .*192\.0\.2\.1"):
        await sluiceway.start_server(ignore, "192.0.2.1", 0)


async def test_one_of_several_not_of_this_machine_is_left_out() -> None:
    async with await sluiceway.start_server(ignore, ["192.0.2.1", "127.0.0.1"], 0) as server:
        (sock,) = server.sockets
        assert sock.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("port", [65536, -1])
async def test_a_port_that_cannot_be(port: int) -> None:
    with pytest.raises(ValueError, match=f"port takes a number from 0 to 65535, not {port}"):
        await sluiceway.start_server(ignore, "127.0.0.1", port)


async def test_no_hosts_at_all() -> None:
    with pytest.raises((OSError, ValueError), match=r"host|address"):
        await sluiceway.start_server(ignore, [], 0)
