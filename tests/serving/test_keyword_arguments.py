"""S10: every keyword of create_server and create_unix_server is accepted and takes effect."""

import asyncio
import contextlib
import socket
from typing import Any

import pytest

import sluiceway
from serving.handlers import close_connection
from serving.recording_socket import bound_recording_socket
from support.certificates import Certificates
from support.connections import server_address
from support.fake_resolver import fake_resolver
from support.unreachable_addresses import refusing_address


async def is_served(address: Any, **options: Any) -> bool:
    reader, writer = await sluiceway.open_connection(*address, **options)
    ended = await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return ended


def socket_options(server: Any, level: int, name: int) -> list[bool]:
    return [bool(sock.getsockopt(level, name)) for sock in server.sockets]


async def test_all_keywords_together_serve(tls: Certificates, unix_path: str) -> None:
    shared: dict[str, Any] = {
        "limit": 1000,
        "backlog": 5,
        "ssl": tls.server_context,
        "ssl_handshake_timeout": 10.0,
        "ssl_shutdown_timeout": 10.0,
        "start_serving": True,
        "close_timeout": 5.0,
    }
    tcp = await sluiceway.start_server(
        close_connection,
        "127.0.0.1",
        0,
        family=socket.AF_INET,
        flags=socket.AI_PASSIVE,
        reuse_address=True,
        reuse_port=True,
        keep_alive=True,
        **shared,
    )
    assert await is_served(server_address(tcp), ssl=tls.client_context)
    unix = await sluiceway.start_unix_server(close_connection, unix_path, cleanup_socket=True, **shared)
    reader, writer = await sluiceway.open_unix_connection(
        unix_path,
        limit=1000,
        ssl=tls.client_context,
        server_hostname="localhost",
        ssl_handshake_timeout=10.0,
        ssl_shutdown_timeout=10.0,
        close_timeout=5.0,
    )
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    for server in (tcp, unix):
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("requested", [True, False])
async def test_keep_alive_is_set_on_listeners_and_connections(requested: bool) -> None:
    inherited: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def handle(reader: Any, writer: Any) -> None:
        sock = writer.get_extra_info("socket")
        inherited.set_result(bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)))
        writer.close()

    async with await sluiceway.start_server(handle, ["127.0.0.1", "::1"], 0, keep_alive=requested) as server:
        assert socket_options(server, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == [requested, requested]
        assert await is_served(server_address(server))
        assert await inherited == requested


@pytest.mark.parametrize(("requested", "expected"), [(True, True), (False, False), (None, True)])
async def test_reuse_address_is_set_on_listener(requested: bool | None, expected: bool) -> None:
    async with await sluiceway.start_server(close_connection, "127.0.0.1", 0, reuse_address=requested) as server:
        assert socket_options(server, socket.SOL_SOCKET, socket.SO_REUSEADDR) == [expected]


@pytest.mark.parametrize("requested", [True, False, None])
async def test_reuse_port_allows_second_server(requested: bool | None) -> None:
    async with await sluiceway.start_server(close_connection, "127.0.0.1", 0, reuse_port=requested) as server:
        assert socket_options(server, socket.SOL_SOCKET, socket.SO_REUSEPORT) == [bool(requested)]
        if requested:
            second = await sluiceway.start_server(close_connection, *server_address(server), reuse_port=True)
            second.close()
            await second.wait_closed()


async def test_reuse_port_without_system_support_raises_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(ValueError, match="reuse_port not supported"):
        await sluiceway.start_server(close_connection, "127.0.0.1", 0, reuse_port=True)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("backlog", [1, 7, 100, 200_000])
async def test_backlog_is_passed_to_listen(kind: str, backlog: int, unix_path: str) -> None:
    if kind == "tcp":
        sock = bound_recording_socket()
        server = await sluiceway.start_server(close_connection, sock=sock, backlog=backlog)
    else:
        sock = bound_recording_socket(socket.AF_UNIX, unix_path)
        server = await sluiceway.start_unix_server(close_connection, sock=sock, backlog=backlog)
    assert sock.backlogs == [backlog]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_start_serving_false_refuses_until_started(kind: str, unix_path: str) -> None:
    server: Any
    connect: Any
    if kind == "tcp":
        server = await sluiceway.start_server(close_connection, "127.0.0.1", 0, start_serving=False)
        address = server_address(server)
        connect = lambda: sluiceway.open_connection(*address)  # noqa: E731
    else:
        server = await sluiceway.start_unix_server(close_connection, unix_path, start_serving=False)
        connect = lambda: sluiceway.open_unix_connection(unix_path)  # noqa: E731
    assert not server.is_serving()
    assert len(server.sockets) == 1
    with pytest.raises(ConnectionRefusedError):
        await connect()
    await server.start_serving()
    assert server.is_serving()
    reader, writer = await connect()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_server_that_never_served_closes(unix_path: str) -> None:
    server = await sluiceway.start_server(close_connection, "127.0.0.1", 0, start_serving=False)
    server.close()
    await server.wait_closed()
    server = await sluiceway.start_unix_server(close_connection, unix_path, start_serving=False)
    server.close()
    await server.wait_closed()


async def test_several_hosts_are_each_served() -> None:
    async with await sluiceway.start_server(close_connection, ["127.0.0.1", "::1", "127.0.0.2"], 0) as server:
        names = [sock.getsockname()[:2] for sock in server.sockets]
        assert [name[0] for name in names] == ["127.0.0.1", "::1", "127.0.0.2"]
        for name in names:
            assert await is_served(name)


@pytest.mark.parametrize(
    "kind", [tuple, set, iter, lambda hosts: (host for host in hosts)], ids=["tuple", "set", "iterator", "generator"]
)
async def test_hosts_are_accepted_from_any_iterable(kind: Any) -> None:
    async with await sluiceway.start_server(close_connection, kind(["127.0.0.1", b"::1"]), 0) as server:
        assert {sock.getsockname()[0] for sock in server.sockets} == {"127.0.0.1", "::1"}


async def test_duplicate_host_is_bound_once() -> None:
    port = refusing_address()[1]
    async with await sluiceway.start_server(close_connection, ["127.0.0.1", "127.0.0.1"], port) as server:
        assert len(server.sockets) == 1


@pytest.mark.parametrize("host", ["", None])
async def test_host_none_or_empty_binds_every_interface(host: str | None) -> None:
    async with await sluiceway.start_server(close_connection, host, 0) as server:
        bound = {sock.getsockname()[0]: sock.getsockname()[1] for sock in server.sockets}
        assert "0.0.0.0" in bound
        assert await is_served(("127.0.0.1", bound["0.0.0.0"]))
        if "::" in bound:
            assert await is_served(("::1", bound["::"]))


@pytest.mark.parametrize(("family", "expected"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
async def test_family_selects_address_family(family: int, expected: str) -> None:
    async with await sluiceway.start_server(close_connection, None, 0, family=family) as server:
        (sock,) = server.sockets
        assert sock.family == family
        assert sock.getsockname()[0] == expected


async def test_ipv6_listener_accepts_no_ipv4() -> None:
    async with await sluiceway.start_server(close_connection, "::", 0) as server:
        assert socket_options(server, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == [True]


async def test_flags_are_passed_to_getaddrinfo() -> None:
    with fake_resolver({"a.name": [("127.0.0.1", 0)]}) as lookups:
        async with await sluiceway.start_server(close_connection, "a.name", 0, flags=socket.AI_CANONNAME):
            pass
        async with await sluiceway.start_server(close_connection, "a.name", 0):
            pass
    assert [options["flags"] for _, options in lookups] == [socket.AI_CANONNAME, socket.AI_PASSIVE]
    with pytest.raises(socket.gaierror):
        await sluiceway.start_server(close_connection, "localhost", 0, flags=socket.AI_NUMERICHOST)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("listening", [True, False])
async def test_sock_is_served_and_closed(blocking: bool, listening: bool) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    if listening:
        sock.listen()
    sock.setblocking(blocking)
    async with await sluiceway.start_server(close_connection, sock=sock) as server:
        assert await is_served(server_address(server))
    assert sock.fileno() == -1


async def test_start_server_accepts_unix_socket_as_sock(unix_path: str) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(unix_path)
    async with await sluiceway.start_server(close_connection, sock=sock):
        reader, writer = await sluiceway.open_unix_connection(unix_path)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_limit_is_limit_of_reader() -> None:
    result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        try:
            result.set_result(await reader.readline())
        except ValueError as error:
            result.set_result(error)
        writer.close()

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, limit=10) as server:
        _, writer = await sluiceway.open_connection(*server_address(server))
        writer.write(b"0123456789abcdef\n")
        assert isinstance(await result, ValueError)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_close_timeout_bounds_close_of_accepted_connection(
    raw_peers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(reader: Any, writer: Any) -> None:
        writer.write(bytes(16 << 20))
        writer.close()
        await writer.wait_closed()
        closed.set_result(None)

    async with await sluiceway.start_server(handle, "127.0.0.1", 0, close_timeout=0.05) as server:
        raw_peers.connect(server_address(server), receive_buffer=4096)
        await closed
    assert "0.05 s" in caplog.text
