"""S10: every keyword of create_connection is accepted and takes effect, on every loop and Python."""

import asyncio
import socket
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.fake_resolver import fake_resolver
from support.raw_peer import RawPeers
from support.unreachable_addresses import refusing_address


async def close(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def test_all_keywords_together_connect(raw_peers: RawPeers, tls: Certificates) -> None:
    def send_hello(peer: Any) -> str:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"hello\n")
        peer.unwrap_tls()
        return peer.sock.getpeername()[0]

    script = raw_peers.serve(send_hello)
    reader, writer = await sluiceway.open_connection(
        *script.address,
        limit=1000,
        ssl=tls.client_context,
        family=socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
        local_addr=("127.0.0.1", 0),
        server_hostname="localhost",
        ssl_handshake_timeout=10.0,
        ssl_shutdown_timeout=10.0,
        happy_eyeballs_delay=0.25,
        interleave=1,
        all_errors=True,
        close_timeout=5.0,
    )
    assert await reader.readline() == b"hello\n"
    await close(writer)
    assert await script.finished() == "127.0.0.1"


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_family_selects_address_family(family: int, host: str, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen(host)
    with fake_resolver({"here": [(host, listener.port)]}) as lookups:
        _, writer = await sluiceway.open_connection("here", 1, family=family)
    assert writer.get_extra_info("socket").family == family
    assert writer.get_extra_info("peername")[0] == host
    assert lookups[0][1]["family"] == family
    await close(writer)


async def test_family_other_than_that_of_address_raises_gaierror() -> None:
    with pytest.raises(socket.gaierror):
        await sluiceway.open_connection("127.0.0.1", 1, family=socket.AF_INET6)


async def test_proto_and_flags_are_passed_to_getaddrinfo(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with fake_resolver({"a.name": [("127.0.0.1", listener.port)]}) as lookups:
        _, writer = await sluiceway.open_connection("a.name", 80, proto=socket.IPPROTO_TCP, flags=socket.AI_CANONNAME)
    (address, options), *_ = lookups
    assert address == ("a.name", 80)
    assert options["proto"] == socket.IPPROTO_TCP
    assert options["flags"] == socket.AI_CANONNAME
    assert options["type"] == socket.SOCK_STREAM
    await close(writer)


async def test_numeric_host_flag_refuses_name() -> None:
    with pytest.raises(socket.gaierror):
        await sluiceway.open_connection("localhost", 1, flags=socket.AI_NUMERICHOST)


async def test_service_name_as_port_is_passed_to_getaddrinfo() -> None:
    with fake_resolver({"a.name": []}) as lookups, pytest.raises(OSError, match="empty list"):
        await sluiceway.open_connection("a.name", "https")
    assert lookups[0][0] == ("a.name", "https")


@pytest.mark.parametrize("host", ["127.0.0.1", b"127.0.0.1", "localhost", b"localhost"])
@pytest.mark.parametrize("kind", [int, str, lambda port: str(port).encode()], ids=["int", "str", "bytes"])
async def test_host_as_str_or_bytes_and_port_as_int_str_or_bytes_connect(
    host: Any, kind: Any, raw_peers: RawPeers
) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(host, kind(listener.port), family=socket.AF_INET)
    assert writer.get_extra_info("peername") == listener.address
    await close(writer)


async def test_host_none_or_empty_connects_to_loopback(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    for host in (None, ""):
        with fake_resolver({"": [listener.address]}):
            _, writer = await sluiceway.open_connection(host, listener.port, family=socket.AF_INET)
        assert writer.get_extra_info("peername") == listener.address
        await close(writer)


@pytest.mark.parametrize("local_host", ["localhost", "127.0.0.1"])
async def test_local_addr_binds_client_socket(local_host: str, raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    port = refusing_address()[1]
    _, writer = await sluiceway.open_connection(*listener.address, local_addr=(local_host, port), family=socket.AF_INET)
    assert listener.accept().sock.getpeername() == ("127.0.0.1", port)
    assert writer.get_extra_info("sockname") == ("127.0.0.1", port)
    await close(writer)


async def test_local_addr_in_use_raises_error_with_address(raw_peers: RawPeers) -> None:
    listener, other = raw_peers.listen(), raw_peers.listen()
    with pytest.raises(OSError, match=rf"bind on address .*{other.port}.*in use"):
        await sluiceway.open_connection(*listener.address, local_addr=other.address)


async def test_local_addr_of_other_family_raises_os_error(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with pytest.raises(OSError, match=r"no matching local address with family=.*AF_INET"):
        await sluiceway.open_connection(*listener.address, local_addr=("::1", 0))


async def test_local_addr_uses_address_of_same_family(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with fake_resolver({"here": [("::1", 0), ("127.0.0.1", 0)]}):
        _, writer = await sluiceway.open_connection(*listener.address, local_addr=("here", 0))
    assert writer.get_extra_info("sockname")[0] == "127.0.0.1"
    await close(writer)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("blocking", [True, False])
async def test_sock_is_used_and_made_non_blocking(
    kind: str, blocking: bool, raw_peers: RawPeers, unix_path: str
) -> None:
    listener = raw_peers.listen() if kind == "tcp" else raw_peers.listen(unix=unix_path)
    sock = socket.socket(listener.sock.family)
    sock.connect(listener.address)
    sock.setblocking(blocking)
    connect = sluiceway.open_connection if kind == "tcp" else sluiceway.open_unix_connection
    reader, writer = await connect(sock=sock)
    assert not sock.getblocking()
    peer = listener.accept()
    peer.send(b"to you")
    assert await reader.readexactly(6) == b"to you"
    writer.write(b"to me")
    assert await peer.in_thread(peer.receive, 5) == b"to me"
    await close(writer)
    assert sock.fileno() == -1


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_sock_with_tls_connects(kind: str, raw_peers: RawPeers, tls: Certificates, unix_path: str) -> None:
    def send_hello(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"hello")
        peer.unwrap_tls()

    script = raw_peers.serve(send_hello) if kind == "tcp" else raw_peers.serve(send_hello, unix=unix_path)
    sock = socket.socket(socket.AF_INET if kind == "tcp" else socket.AF_UNIX)
    sock.connect(script.address)
    connect = sluiceway.open_connection if kind == "tcp" else sluiceway.open_unix_connection
    reader, writer = await connect(sock=sock, ssl=tls.client_context, server_hostname="localhost")
    assert await reader.readexactly(5) == b"hello"
    await close(writer)
    await script.finished()


async def test_open_connection_accepts_unix_socket_as_sock() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await sluiceway.open_connection(sock=ours)
        theirs.sendall(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await close(writer)


async def test_limit_is_limit_of_reader(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    for limit in (10, None, float("inf")):
        reader, writer = await sluiceway.open_connection(*listener.address, limit=limit)
        peer = listener.accept()
        peer.send(b"0123456789abcdef\n")
        if limit == 10:
            with pytest.raises(ValueError, match="limit"):
                await reader.readline()
        else:
            assert await reader.readline() == b"0123456789abcdef\n"
        await close(writer)


async def test_close_timeout_bounds_close(raw_peers: RawPeers, caplog: pytest.LogCaptureFixture) -> None:
    listener = raw_peers.listen()
    for close_timeout in (0.05, 30.0):
        _, writer = await sluiceway.open_connection(*listener.address, close_timeout=close_timeout)
        peer = listener.accept()
        writer.write(bytes(16 << 20))
        writer.close()
        if close_timeout == 30.0:
            peer.close()
        await writer.wait_closed()
    assert [record.name for record in caplog.records] == ["sluiceway"]
    assert "0.05 s" in caplog.text


async def test_interleave_alternates_address_families() -> None:
    """The order in which the addresses are tried is that of RFC 8305, section 4."""
    loop: Any = asyncio.get_running_loop()
    tried: list[str] = []

    async def sock_connect(sock: Any, address: Any) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, f"Connect call failed {address}")

    names = {"many": [("::1", 1), ("::2", 1), ("::3", 1), ("127.0.0.1", 1), ("127.0.0.2", 1)]}
    orders: dict[Any, list[str]] = {
        None: ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"],
        0: ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"],
        1: ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"],
        2: ["::1", "::2", "127.0.0.1", "::3", "127.0.0.2"],
        9: ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"],
    }
    loop.sock_connect = sock_connect
    try:
        with fake_resolver(names):
            for interleave, order in orders.items():
                tried.clear()
                with pytest.raises(OSError):
                    await sluiceway.open_connection("many", 1, interleave=interleave)
                assert tried == order
            tried.clear()
            with pytest.raises(OSError):
                await sluiceway.open_connection("many", 1, happy_eyeballs_delay=60)
            assert tried == orders[1]
    finally:
        del loop.sock_connect
