"""Invalid arguments of open_connection and open_unix_connection raise TypeError or ValueError before anything is
opened.
"""

import asyncio
import fractions
import socket
import ssl
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.raw_peer import RawPeer, RawPeers

INVALID_OPTIONS = [
    (
        {"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "server_hostname": "localhost"},
        ValueError,
        r"must be a client context \(ssl.PROTOCOL_TLS_CLIENT\), not a server context \(ssl.PROTOCOL_TLS_SERVER\)",
    ),
    ({"strict_eof": True}, ValueError, "strict_eof is only meaningful with ssl"),
    ({"ssl_handshake_timeout": 5.0}, ValueError, "ssl_handshake_timeout is only meaningful with ssl"),
    ({"ssl_shutdown_timeout": 5.0}, ValueError, "ssl_shutdown_timeout is only meaningful with ssl"),
    ({"close_timeout": 0}, ValueError, "close_timeout argument must be greater than 0, not 0"),
    ({"close_timeout": -1.5}, ValueError, "close_timeout argument must be greater than 0, not -1.5"),
    ({"close_timeout": float("nan")}, ValueError, "close_timeout argument must be greater than 0, not nan"),
    (
        {"close_timeout": "soon"},
        TypeError,
        "close_timeout argument must be a number of seconds or None, not 'str': 'soon'",
    ),
    ({"limit": 0}, ValueError, "Limit cannot be <= 0: 0 was given"),
    ({"limit": -5}, ValueError, "Limit cannot be <= 0: -5 was given"),
    ({"limit": "64k"}, TypeError, "limit argument must be a whole number of bytes, math.inf or None, not 'str': '64k'"),
    ({"limit": 1.5}, ValueError, "whole number of bytes, math.inf or None, not 1.5"),
    (
        {"ssl": "yes"},
        TypeError,
        "ssl argument must be an ssl.SSLContext, a bool or None, not 'str': 'yes'; create a context with ",
    ),
    (
        {"ssl": 1},
        TypeError,
        "ssl argument must be an ssl.SSLContext, a bool or None, not 'int': 1; create a context with ",
    ),
    ({"server_hostname": "localhost"}, ValueError, "server_hostname is only meaningful with ssl"),
    ({"no_such_option": 1}, TypeError, "keyword argument 'no_such_option'$"),
    ({"timeout": 1}, TypeError, r"keyword argument 'timeout'; use asyncio.timeout\(\)$"),
    ({"certfile": "x.pem"}, TypeError, "keyword argument 'certfile'; load it into an ssl.SSLContext and pass ssl="),
]

INVALID_TLS_OPTIONS = [
    ({"ssl_handshake_timeout": 0}, ValueError, "ssl_handshake_timeout argument must be greater than 0, not 0"),
    ({"ssl_shutdown_timeout": -1}, ValueError, "ssl_shutdown_timeout argument must be greater than 0, not -1"),
    ({"server_hostname": 7}, TypeError, "server_hostname|int"),
    ({"server_hostname": b"localhost"}, TypeError, "server_hostname|bytes"),
    ({"server_hostname": "https://localhost"}, ValueError, "not a valid host name: .*without scheme and path"),
    ({"server_hostname": "localhost:443"}, ValueError, "not a valid host name: .*without the port"),
    ({"server_hostname": "[::1]"}, ValueError, "not a valid host name: .*without brackets"),
    ({"server_hostname": "local host"}, ValueError, "not a valid host name: .*no white space"),
    ({"server_hostname": "local\0host"}, ValueError, "server_hostname argument must not contain a NUL character: '"),
]


NUL = "argument must not contain a NUL character: "


class UnusedListener:
    """A listener to which no connection may be made."""

    def __init__(self, raw_peers: RawPeers, unix: str | None = None) -> None:
        self._listener = raw_peers.listen(unix=unix)
        self.address: Any = self._listener.address

    def check_no_connection(self) -> None:
        self._listener.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            self._listener.sock.accept()


@pytest.mark.parametrize(("options", "error", "message"), INVALID_OPTIONS)
async def test_invalid_tcp_option_raises_before_connect(
    options: dict[str, Any], error: type[Exception], message: str, raw_peers: RawPeers
) -> None:
    unused = UnusedListener(raw_peers)
    with pytest.raises(error, match=message):
        await sluiceway.open_connection(*unused.address, **options)
    unused.check_no_connection()


@pytest.mark.parametrize(("options", "error", "message"), INVALID_OPTIONS)
async def test_invalid_unix_option_raises_before_connect(
    options: dict[str, Any], error: type[Exception], message: str, raw_peers: RawPeers, unix_path: str
) -> None:
    unused = UnusedListener(raw_peers, unix_path)
    with pytest.raises(error, match=message):
        await sluiceway.open_unix_connection(unused.address, **options)
    unused.check_no_connection()


@pytest.mark.parametrize(("options", "error", "message"), INVALID_TLS_OPTIONS)
async def test_invalid_tls_option_raises_before_connect(
    options: dict[str, Any], error: type[Exception], message: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    unused = UnusedListener(raw_peers)
    with pytest.raises(error, match=message):
        await sluiceway.open_connection(*unused.address, ssl=tls.client_context, **options)
    unused.check_no_connection()


@pytest.mark.parametrize(("options", "error", "message"), INVALID_TLS_OPTIONS)
async def test_invalid_tls_option_over_unix_socket_raises_before_connect(
    options: dict[str, Any],
    error: type[Exception],
    message: str,
    raw_peers: RawPeers,
    tls: Certificates,
    unix_path: str,
) -> None:
    unused = UnusedListener(raw_peers, unix_path)
    given = {"server_hostname": "localhost", **options}
    with pytest.raises(error, match=message):
        await sluiceway.open_unix_connection(unused.address, ssl=tls.client_context, **given)
    unused.check_no_connection()


@pytest.mark.parametrize("name", [70 * "x", ".localhost", "local..host"])
async def test_impossible_server_hostname_raises_and_leaves_nothing_open(
    name: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """The connection may have been made before ``ssl`` rejects the name; then it is closed."""
    listener = raw_peers.listen()
    with pytest.raises(ValueError):
        await sluiceway.open_connection(*listener.address, ssl=tls.client_context, server_hostname=name)
    listener.sock.setblocking(False)
    try:
        peer = listener.accept()
    except BlockingIOError:
        return
    assert await peer.in_thread(peer.receive_rest) == b""


@pytest.mark.parametrize("kind", [str, str.encode])
async def test_host_with_nul_raises_before_connect(kind: Any, raw_peers: RawPeers) -> None:
    """The C library would connect to the name before the NUL, although the program has checked the end of the name."""
    unused = UnusedListener(raw_peers)
    host, port = unused.address
    with pytest.raises(ValueError, match=f"^host {NUL}"):
        await sluiceway.open_connection(kind(f"{host}\0.example"), port)
    with pytest.raises(ValueError, match=r"^host of local_addr must not contain a NUL "):
        await sluiceway.open_connection(host, port, local_addr=(kind(f"{host}\0.example"), 0))
    unused.check_no_connection()


@pytest.mark.parametrize("kind", [str, str.encode])
async def test_port_with_nul_raises_before_connect(kind: Any, raw_peers: RawPeers) -> None:
    unused = UnusedListener(raw_peers)
    host, port = unused.address
    with pytest.raises(ValueError, match=f"^port {NUL}"):
        await sluiceway.open_connection(host, kind(f"{port}\0"))
    unused.check_no_connection()


@pytest.mark.parametrize("kind", [str, str.encode])
async def test_unix_path_with_nul_raises_before_connect(kind: Any, raw_peers: RawPeers, unix_path: str) -> None:
    unused = UnusedListener(raw_peers, unix_path)
    with pytest.raises(ValueError, match=f"^path {NUL}"):
        await sluiceway.open_unix_connection(kind(f"{unix_path}\0.example"))
    unused.check_no_connection()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("https://localhost", "without scheme and path"),
        ("local\0host", NUL),
        (b"local\0host", NUL),
    ],
)
async def test_start_tls_refuses_an_impossible_name_and_stays_open(
    name: Any, message: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address)
    with pytest.raises(ValueError, match=message):
        await writer.start_tls(tls.client_context, server_hostname=name)
    writer.write(b"still open")
    writer.close()
    peer = listener.accept()
    assert await peer.in_thread(peer.receive_rest) == b"still open"
    await writer.wait_closed()


@pytest.mark.parametrize("name", ["localhost:443", "local_host", "", "::1", "127.0.0.1", "b\u00fccher.example"])
async def test_context_that_checks_no_name_accepts_each_server_hostname(
    name: str, raw_peers: RawPeers, tls: Certificates
) -> None:
    """What the peer makes of the name is its own business then: programs that worked continue to work."""
    context = tls.new_client_context()
    context.check_hostname = False

    def serve(peer: RawPeer) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.receive_rest()

    script = raw_peers.serve(serve)
    _, writer = await sluiceway.open_connection(*script.address, ssl=context, server_hostname=name)
    writer.close()
    await writer.wait_closed()
    await script.finished()


async def test_missing_address_and_socket_raises_value_error() -> None:
    with pytest.raises(ValueError, match=r"^open_connection\(\): host and port was not specified and no sock"):
        await sluiceway.open_connection()
    with pytest.raises(ValueError, match=r"^open_unix_connection\(\): no path and sock"):
        await sluiceway.open_unix_connection()


@pytest.mark.parametrize("address", [("127.0.0.1", 1), ("127.0.0.1", None), (None, 1)])
async def test_host_or_port_with_sock_raises_and_keeps_socket_open(address: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(ValueError, match="host/port and sock can not be specified at the same time"):
            await sluiceway.open_connection(*address, sock=ours)
        ours.send(b"still open")
        assert theirs.recv(100) == b"still open"


async def test_path_with_sock_raises_and_keeps_socket_open(unix_path: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(ValueError, match="path and sock can not be specified at the same time"):
            await sluiceway.open_unix_connection(unix_path, sock=ours)
        ours.send(b"still open")


async def test_ssl_without_server_hostname_raises_before_connect(
    tls: Certificates, unix_path: str, raw_peers: RawPeers
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for options in ({"sock": ours}, {"port": 1}, {"host": "", "port": 1}):
            with pytest.raises(ValueError, match="server_hostname"):
                await sluiceway.open_connection(ssl=tls.client_context, **options)
        with pytest.raises(ValueError, match="server_hostname"):
            await sluiceway.open_unix_connection(sock=ours, ssl=tls.client_context)
        ours.send(b"still open")
    unused = UnusedListener(raw_peers, unix_path)
    with pytest.raises(ValueError, match="server_hostname"):
        await sluiceway.open_unix_connection(unix_path, ssl=tls.client_context)
    with pytest.raises(ValueError, match="server_hostname"):
        await sluiceway.open_unix_connection(unix_path, ssl=True)
    unused.check_no_connection()


async def test_datagram_socket_raises_and_stays_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            await sluiceway.open_connection(sock=sock)
        assert sock.fileno() >= 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
            await sluiceway.open_unix_connection(sock=sock)
        assert sock.fileno() >= 0


async def test_tcp_socket_for_unix_connection_raises_and_stays_open() -> None:
    with socket.socket() as sock:
        with pytest.raises(ValueError, match="A UNIX Domain Stream Socket was expected"):
            await sluiceway.open_unix_connection(sock=sock)
        assert sock.fileno() >= 0


async def test_ssl_socket_raises_type_error_and_stays_open(tls: Certificates) -> None:
    ours, theirs = socket.socketpair()
    with (
        theirs,
        tls.client_context.wrap_socket(ours, do_handshake_on_connect=False, server_hostname="localhost") as wrapped,
    ):
        assert isinstance(wrapped, ssl.SSLSocket)
        for function in (sluiceway.open_connection, sluiceway.open_unix_connection):
            with pytest.raises(TypeError, match="SSLSocket"):
                await function(sock=wrapped)
        assert wrapped.fileno() >= 0


async def test_unconnected_socket_raises_os_error() -> None:
    with socket.socket() as sock:
        with pytest.raises(OSError):
            _, writer = await sluiceway.open_connection(sock=sock)
            writer.write(b"x")
            await writer.drain()


@pytest.mark.parametrize("port", [65536, -1, 1 << 40, "65536", "-1", b"65536"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_port_out_of_range_raises_value_error(host: str, port: int | str | bytes) -> None:
    with pytest.raises(ValueError, match=f"^port argument must be in the range 0 to 65535, not {port!r}$"):
        await sluiceway.open_connection(host, port)


@pytest.mark.parametrize("port", [65536, -1, "65536"])
async def test_port_of_local_addr_out_of_range_raises_before_connect(port: Any, raw_peers: RawPeers) -> None:
    unused = UnusedListener(raw_peers)
    with pytest.raises(ValueError, match=f"^port of local_addr must be in the range 0 to 65535, not {port!r}$"):
        await sluiceway.open_connection(*unused.address, local_addr=("127.0.0.1", port))
    unused.check_no_connection()


@pytest.mark.parametrize("address", [("127.0.0.1",), ("127.0.0.1", 0.0), 5])
async def test_invalid_local_addr_raises_before_connect(address: Any, raw_peers: RawPeers) -> None:
    unused = UnusedListener(raw_peers)
    with pytest.raises((TypeError, ValueError)):
        await sluiceway.open_connection(*unused.address, local_addr=address)
    unused.check_no_connection()


@pytest.mark.parametrize("delay", [float("nan"), 10**400], ids=["nan", "10**400"])
async def test_delay_that_no_timer_accepts_raises_before_connect(delay: float, raw_peers: RawPeers) -> None:
    """S11: the loops raise different errors for it after the connect, or accept it."""
    unused = UnusedListener(raw_peers)
    with pytest.raises(ValueError, match="a number of seconds that a float can hold, and not NaN"):
        await sluiceway.open_connection(*unused.address, happy_eyeballs_delay=delay)
    unused.check_no_connection()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": 5}, "host argument must be a str, bytes or None, not 'int': 5"),
        ({"host": ["localhost"]}, r"host argument must be a str, bytes or None, not 'list': \['localhost'\]"),
        ({"port": 80.0}, "port argument must be an int, str, bytes or None, not 'float': 80.0"),
        (
            {"happy_eyeballs_delay": "soon"},
            "happy_eyeballs_delay argument must be a number of seconds or None, not 'str': 'soon'",
        ),
        (
            {"local_addr": "127.0.0.1"},
            r"local_addr argument must be a tuple of host and port, such as \('192.0.2.1', 0\), or None, not 'str': .*",
        ),
        ({"local_addr": (5, 0)}, "host of local_addr must be a str, bytes or None, not 'int': 5"),
        (
            {"local_addr": ("127.0.0.1", 5.5)},
            "port of local_addr must be an int, str, bytes or None, not 'float': 5.5",
        ),
        ({"family": "inet"}, "family argument must be an integer, not 'str': 'inet'"),
        ({"proto": None}, "proto argument must be an integer, not 'NoneType': None"),
        ({"flags": 1.5}, "flags argument must be an integer, not 'float': 1.5"),
        ({"interleave": "1"}, "interleave argument must be an integer or None, not 'str': '1'"),
    ],
)
async def test_tcp_argument_of_wrong_type_raises_type_error_that_names_it(
    options: dict[str, Any], message: str, raw_peers: RawPeers
) -> None:
    unused = UnusedListener(raw_peers)
    host, port = unused.address[:2]
    with pytest.raises(TypeError, match=f"^{message}$"):
        await sluiceway.open_connection(**{"host": host, "port": port, **options})
    unused.check_no_connection()


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1, 1 << 70])
@pytest.mark.parametrize("name", ["family", "proto", "flags"])
async def test_number_beyond_a_c_integer_raises_value_error_that_names_it(name: str, number: int) -> None:
    with pytest.raises(ValueError, match=f"^{name} argument must be from -2147483648 to 2147483647, not {number}$"):
        await sluiceway.open_connection("localhost", 1, **{name: number})


class Index:
    """An integer of another library, such as numpy's."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __index__(self) -> int:
        return self._number


async def test_integers_of_other_libraries_are_accepted(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    host, port = listener.address[:2]
    options: dict[str, Any] = {name: Index(0) for name in ("family", "proto", "flags", "interleave")}
    number: Any = Index(port)
    _, writer = await sluiceway.open_connection(host, number, local_addr=(host, Index(0)), limit=Index(10), **options)
    writer.close()
    options = {name: Index(0) for name in ("port", "family", "flags", "backlog")}
    async with await sluiceway.start_server(lambda reader, writer: None, host, **options):
        pass


async def test_seconds_of_other_libraries_are_accepted(raw_peers: RawPeers, tls: Certificates) -> None:
    """Such as numpy's float32, which is no float. asyncio adds them to the time of the loop."""
    listener = raw_peers.listen()
    seconds: Any = fractions.Fraction(5)
    _, writer = await sluiceway.open_connection(*listener.address[:2], happy_eyeballs_delay=seconds)
    writer.close()
    options: dict[str, Any] = {"ssl_handshake_timeout": seconds, "ssl_shutdown_timeout": seconds}
    async with await sluiceway.start_server(
        lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=tls.server_context, **options
    ) as server:
        reader, writer = await sluiceway.open_connection(
            *server.sockets[0].getsockname(), ssl=tls.client_context, server_hostname="localhost", **options
        )
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


class NoNumber:
    """As numpy's arrays and times are."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __float__(self) -> float:
        raise self._error


class Text(str):
    """numpy's texts have the method as well."""

    __slots__ = ()

    def __float__(self) -> float:
        return 5.0


@pytest.mark.parametrize(
    "seconds", [NoNumber(TypeError()), NoNumber(ValueError()), Text("5"), fractions.Fraction(10**400)]
)
@pytest.mark.parametrize("name", ["happy_eyeballs_delay", "ssl_handshake_timeout", "ssl_shutdown_timeout"])
async def test_seconds_that_are_no_number_raise_type_error_that_names_them(
    name: str, seconds: Any, tls: Certificates
) -> None:
    options: dict[str, Any] = {name: seconds, "ssl": tls.client_context}
    with pytest.raises(TypeError, match=f"^{name} argument must be a number of seconds or None, not "):
        await sluiceway.open_connection("localhost", 1, **options)


@pytest.mark.parametrize("host", [5, ["127.0.0.1", 5]])
async def test_server_host_of_wrong_type_raises_type_error_that_names_it(host: Any) -> None:
    with pytest.raises(TypeError, match=r"^host argument must be a str, bytes or None, not 'int': 5$"):
        await sluiceway.start_server(lambda reader, writer: None, host, 0)


@pytest.mark.parametrize("call", ["open_connection", "start_server", "local_addr"])
async def test_error_of_name_lookup_names_host_and_port(call: str) -> None:
    async def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    loop: Any = asyncio.get_running_loop()
    loop.getaddrinfo = unknown
    try:
        with pytest.raises(socket.gaierror) as error:
            if call == "start_server":
                await sluiceway.start_server(lambda *_: None, "exmaple.com", 443)
            elif call == "local_addr":
                await sluiceway.open_connection("127.0.0.1", 1, local_addr=("exmaple.com", 443))
            else:
                await sluiceway.open_connection("exmaple.com", 443)
    finally:
        del loop.getaddrinfo
    assert error.value.errno == socket.EAI_NONAME
    name = 'local_addr "exmaple.com:443"' if call == "local_addr" else '"exmaple.com:443"'
    assert error.value.strerror == f"cannot resolve {name}: Name or service not known"


async def test_line_break_in_a_host_is_escaped_in_the_message() -> None:
    with pytest.raises(
        OSError, match=r'^[^\n]*cannot resolve "exmaple.invalid\\n:443": [^\n]*; a host name contains no white space$'
    ):
        await sluiceway.open_connection("exmaple.invalid\n", 443)


IMPOSSIBLE = [(70 * "x", None), (70 * "x", True), (b"x\xff", None), (b"x\xff", True)]


@pytest.mark.parametrize("call", ["open_connection", "start_server"])
@pytest.mark.parametrize(("host", "ssl"), IMPOSSIBLE, ids=["str", "str with TLS", "bytes", "bytes with TLS"])
async def test_error_of_impossible_host_name_names_host_and_port(call: str, host: Any, ssl: Any) -> None:
    with pytest.raises(UnicodeError) as raised:
        if call == "start_server":
            await sluiceway.start_server(lambda *_: None, host, 443)
        else:
            await sluiceway.open_connection(host, 443, ssl=ssl)
    shown = host if isinstance(host, str) else r"x\xff"
    assert str(raised.value).startswith(f'cannot resolve "{shown}:443": ')
