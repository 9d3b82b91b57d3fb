"""Invalid arguments of start_server and start_unix_server raise TypeError or ValueError before anything is opened."""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from serving.handlers import close_connection
from support.certificates import Certificates
from support.file_descriptors import descriptors_exhausted
from support.unreachable_addresses import refusing_address

INVALID_OPTIONS = [
    ({"ssl": True}, TypeError, "SSLContext with a certificate, or None, not 'bool': True; create a context with "),
    ({"ssl": False}, TypeError, "SSLContext with a certificate, or None, not 'bool': False; create a context with "),
    ({"ssl": "cert.pem"}, TypeError, "with a certificate, or None, not 'str': 'cert.pem'; create a context with "),
    (
        {"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
        ValueError,
        r"must be a server context \(ssl.PROTOCOL_TLS_SERVER\), not a client context \(ssl.PROTOCOL_TLS_CLIENT\)",
    ),
    ({"strict_eof": True}, ValueError, "strict_eof is only meaningful with ssl"),
    ({"ssl_handshake_timeout": 5.0}, ValueError, "ssl_handshake_timeout is only meaningful with ssl"),
    ({"ssl_shutdown_timeout": 5.0}, ValueError, "ssl_shutdown_timeout is only meaningful with ssl"),
    ({"close_timeout": 0}, ValueError, "close_timeout argument must be greater than 0, not 0"),
    ({"close_timeout": -1}, ValueError, "close_timeout argument must be greater than 0, not -1"),
    (
        {"close_timeout": "soon"},
        TypeError,
        "close_timeout argument must be a number of seconds or None, not 'str': 'soon'",
    ),
    ({"limit": 0}, ValueError, "Limit cannot be <= 0: 0 was given"),
    ({"limit": "64k"}, TypeError, "limit argument must be a whole number of bytes, math.inf or None, not 'str': '64k'"),
    ({"backlog": "many"}, TypeError, "backlog argument must be an integer, not 'str': 'many'"),
    ({"backlog": None}, TypeError, "backlog argument must be an integer, not 'NoneType': None"),
    ({"backlog": 1 << 31}, ValueError, "backlog argument must be from -2147483648 to 2147483647, not 2147483648"),
    ({"backlog": -(1 << 70)}, ValueError, "backlog argument must be from -2147483648 to 2147483647, not -118059162"),
    ({"no_such_option": 1}, TypeError, "keyword argument 'no_such_option'$"),
    ({"keyfile": "key.pem"}, TypeError, "keyword argument 'keyfile'; load it into an ssl.SSLContext and pass ssl="),
]
TCP_OPTIONS = [
    ({"family": "inet"}, TypeError, "family argument must be an integer, not 'str': 'inet'"),
    ({"flags": 1.5}, TypeError, "flags argument must be an integer, not 'float': 1.5"),
    ({"family": 1 << 31}, ValueError, "family argument must be from -2147483648 to 2147483647, not 2147483648"),
    ({"host": "localhost", "flags": 1 << 70}, ValueError, "flags argument must be from -2147483648 to 2147483647, not"),
]


@pytest.mark.parametrize(("options", "error", "message"), INVALID_OPTIONS)
async def test_invalid_option_raises_and_opens_nothing(
    options: dict[str, Any], error: type[Exception], message: str, unix_path: str
) -> None:
    address = refusing_address()
    with pytest.raises(error, match=message):
        await sluiceway.start_server(close_connection, *address, **options)
    with socket.socket() as sock:
        assert sock.connect_ex(address) != 0
    with pytest.raises(error, match=message):
        await sluiceway.start_unix_server(close_connection, unix_path, **options)
    assert not os.path.exists(unix_path)


@pytest.mark.parametrize(("options", "error", "message"), TCP_OPTIONS)
async def test_invalid_tcp_option_raises(options: dict[str, Any], error: type[Exception], message: str) -> None:
    host, port = refusing_address()
    with pytest.raises(error, match=message):
        await sluiceway.start_server(close_connection, **{"host": host, "port": port, **options})


async def test_socket_stays_open_if_the_backlog_is_out_of_range() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        with pytest.raises(ValueError, match="backlog argument"):
            await sluiceway.start_server(close_connection, sock=sock, backlog=1 << 31)
        assert sock.fileno() >= 0


@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
async def test_zero_tls_timeout_raises_value_error(name: str, tls: Certificates, unix_path: str) -> None:
    options: dict[str, Any] = {name: 0, "ssl": tls.server_context}
    with pytest.raises(ValueError, match=f"{name} argument must be greater than 0, not 0"):
        await sluiceway.start_server(close_connection, "127.0.0.1", 0, **options)
    with pytest.raises(ValueError, match=f"{name} argument must be greater than 0, not 0"):
        await sluiceway.start_unix_server(close_connection, unix_path, **options)


@pytest.mark.parametrize("callback", [None, "handle", 5, object()])
async def test_callback_that_is_not_callable_raises_type_error(callback: Any, unix_path: str) -> None:
    message = (
        r"client_connected_cb argument must be a callable that takes \(reader, writer\), "
        f"not '{type(callback).__name__}'"
    )
    with pytest.raises(TypeError, match=message):
        await sluiceway.start_server(callback, "127.0.0.1", 0)
    with pytest.raises(TypeError, match=message):
        await sluiceway.start_unix_server(callback, unix_path)
    assert not os.path.exists(unix_path)


async def test_host_or_path_with_nul_raises_and_opens_nothing(unix_path: str) -> None:
    """The system would listen on what is before the NUL."""
    for host in ("127.0.0.1\0.example", b"127.0.0.1\0.example"):
        with pytest.raises(ValueError, match=r"^host argument must not contain a NUL character: "):
            await sluiceway.start_server(close_connection, host, 0)
    for path in (f"{unix_path}\0.example", os.fsencode(f"{unix_path}\0.example")):
        with pytest.raises(ValueError, match=r"^path argument must not contain a NUL character: "):
            await sluiceway.start_unix_server(close_connection, path)
    assert not os.path.lexists(unix_path)


async def test_missing_address_and_socket_raises_value_error() -> None:
    with pytest.raises(ValueError, match=r"^start_server\(\): Neither host/port nor sock"):
        await sluiceway.start_server(close_connection)
    with pytest.raises(ValueError, match=r"^start_unix_server\(\): path was not specified, and no sock"):
        await sluiceway.start_unix_server(close_connection)


async def test_address_with_sock_raises_and_keeps_socket_open(unix_path: str) -> None:
    with socket.socket() as sock:
        for address in (("127.0.0.1", 0), ("127.0.0.1", None), (None, 0)):
            with pytest.raises(ValueError, match="host/port and sock can not be specified at the same time"):
                await sluiceway.start_server(close_connection, *address, sock=sock)
        assert sock.fileno() >= 0
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(ValueError, match="path and sock can not be specified at the same time"):
            await sluiceway.start_unix_server(close_connection, unix_path, sock=sock)
        assert sock.fileno() >= 0


async def test_datagram_socket_raises_and_stays_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            await sluiceway.start_server(close_connection, sock=sock)
        assert sock.fileno() >= 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
            await sluiceway.start_unix_server(close_connection, sock=sock)
        assert sock.fileno() >= 0


async def test_tcp_socket_for_unix_server_raises_and_stays_open() -> None:
    with socket.socket() as sock:
        with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
            await sluiceway.start_unix_server(close_connection, sock=sock)
        assert sock.fileno() >= 0


async def test_ssl_socket_raises_type_error_and_stays_open(tls: Certificates) -> None:
    with socket.socket() as plain, tls.server_context.wrap_socket(plain, server_side=True) as wrapped:
        assert isinstance(wrapped, ssl.SSLSocket)
        with pytest.raises(TypeError, match="SSLSocket"):
            await sluiceway.start_server(close_connection, sock=wrapped)
        assert wrapped.fileno() >= 0


async def test_address_in_use_raises_error_with_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"bind on address \('127.0.0.1', {port}\): address.*in use$"):
            await sluiceway.start_server(close_connection, "127.0.0.1", port)


@contextlib.contextmanager
def port_in_use_on_ipv6_only() -> Iterator[int]:
    """Yield a port that is in use on ::1, and reserved on 127.0.0.1 so that no other process takes it."""
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


async def test_one_address_in_use_of_several_leaves_none_open() -> None:
    with port_in_use_on_ipv6_only() as port:
        with pytest.raises(OSError, match=rf"'::1', {port}.*in use"):
            await sluiceway.start_server(close_connection, ["127.0.0.1", "::1"], port)
        with socket.create_server(("127.0.0.1", port)):
            pass


async def test_address_of_other_machine_raises_os_error() -> None:
    with pytest.raises(OSError, match=r"could not bind on any address .*192\.0\.2\.1"):
        await sluiceway.start_server(close_connection, "192.0.2.1", 0)


async def test_address_of_other_machine_among_several_is_left_out() -> None:
    async with await sluiceway.start_server(close_connection, ["192.0.2.1", "127.0.0.1"], 0) as server:
        (sock,) = server.sockets
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_server_without_free_descriptors_raises_the_cause() -> None:
    with descriptors_exhausted(), pytest.raises(OSError, match="Too many open files"):
        await sluiceway.start_server(close_connection, "127.0.0.1", 0)


@pytest.mark.parametrize("port", [65536, -1, "65536", b"-1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", None])
async def test_port_out_of_range_raises_value_error(host: str | None, port: int | str | bytes) -> None:
    with pytest.raises(ValueError, match=f"^port argument must be in the range 0 to 65535, not {port!r}$"):
        await sluiceway.start_server(close_connection, host, port)


async def test_empty_host_list_raises() -> None:
    with pytest.raises((OSError, ValueError), match=r"host|address"):
        await sluiceway.start_server(close_connection, [], 0)
