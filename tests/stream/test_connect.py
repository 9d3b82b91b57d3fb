"""L7, D1: connect() gives a Stream to every kind of address, once, and leaves nothing open."""

import asyncio
import contextlib
import gc
import os
import re
import socket
import sys
import warnings
import weakref
from typing import Any

import pytest

import sluiceway
from support.fake_resolver import address_info, fake_resolver
from support.raw_peer import RawPeers
from support.scheduling import run_iterations
from support.unreachable_addresses import refusing_address, unresponsive_address


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "tcp://127.0.0.1:{port}", "tcp://localhost:{port}"])
async def test_tcp_address_gives_connected_stream(raw_peers: RawPeers, form: str) -> None:
    listener = raw_peers.listen()
    async with sluiceway.connect(form.format(port=listener.port), timeout=3600) as stream:
        peer = listener.accept()
        peer.send(b"a line\n")
        assert await stream.read_line() == b"a line\n"
        await stream.send(b"answer")
        assert await peer.in_thread(peer.receive, 6) == b"answer"
    assert await peer.in_thread(peer.receive_rest) == b""


async def test_ipv6_address_in_brackets_gives_connected_stream(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    async with sluiceway.connect(f"[::1]:{listener.port}") as stream:
        assert stream.peer[:2] == ("::1", listener.port)


async def test_unix_path_that_is_not_utf_8_is_connected(raw_peers: RawPeers, unix_path: str) -> None:
    path = os.fsdecode(os.fsencode(unix_path) + b"\xff")
    raw_peers.listen(unix=path)
    async with sluiceway.connect(f"unix:{path}") as stream:
        assert stream.timings is not None
        [attempt] = stream.timings.attempts
        assert attempt.error is None


@pytest.mark.parametrize("prefix", ["unix:", "unix://"])
async def test_unix_path_gives_connected_stream(raw_peers: RawPeers, unix_path: str, prefix: str) -> None:
    listener = raw_peers.listen(unix=unix_path)
    async with sluiceway.connect(prefix + unix_path) as stream:
        listener.accept().send(b"hello\n")
        assert await stream.read_line() == b"hello\n"
        assert stream.timings is not None
        (attempt,) = stream.timings.attempts
        assert (attempt.address, attempt.error) == (unix_path, None)


@pytest.mark.parametrize("as_descriptor", [False, True])
async def test_given_socket_belongs_to_stream(as_descriptor: bool) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        async with sluiceway.connect(ours.detach() if as_descriptor else ours) as stream:
            theirs.send(b"hello\n")
            assert await stream.read_line() == b"hello\n"
        assert theirs.recv(1) == b""


@pytest.mark.parametrize("as_descriptor", [False, True])
async def test_given_socket_that_has_a_transport_raises_and_stays_open(
    raw_peers: RawPeers, as_descriptor: bool
) -> None:
    if sluiceway.ENGINE == "loop" or not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        pytest.skip("only the engine on asyncio's loops knows which socket has a transport")
    listener = raw_peers.listen()
    async with sluiceway.connect(f"127.0.0.1:{listener.port}") as stream:
        peer = listener.accept()
        sock = stream.writer.get_extra_info("socket")
        given = sock.fileno() if as_descriptor else sock._sock
        with pytest.raises(RuntimeError, match="is used by transport"):
            await sluiceway.connect(given)
        gc.collect()
        await stream.send(b"still open")
        assert await peer.in_thread(peer.receive, 10) == b"still open"


@pytest.mark.parametrize("as_descriptor", [False, True])
async def test_given_socket_stays_open_if_call_never_starts(as_descriptor: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        opening = sluiceway.connect(ours.fileno() if as_descriptor else ours)
        with pytest.warns(RuntimeWarning, match=r"connect\('.*'\) was never awaited"):
            del opening
        ours.send(b"x")
        assert theirs.recv(1) == b"x"


async def test_nothing_starts_before_await(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    listener.sock.setblocking(False)
    with fake_resolver({"name": [("127.0.0.1", listener.port)]}) as calls:
        opening = sluiceway.connect("name:1", timeout=3600)
        await asyncio.sleep(0)
        assert not calls
        with pytest.raises(BlockingIOError):
            listener.accept()
        stream = await opening
        assert calls
    await stream.aclose()


async def test_second_use_raises_runtime_error(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    opening = sluiceway.connect(f"127.0.0.1:{listener.port}")
    async with opening:
        message = rf"connect\('127.0.0.1:{listener.port}'\) was awaited or closed before; call connect\(\) again"
        with pytest.raises(RuntimeError, match=message):
            await opening


async def test_used_call_gives_no_warning(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with sluiceway.connect(f"127.0.0.1:{listener.port}"):
            gc.collect()


async def test_next_address_is_tried_while_first_does_not_answer(
    raw_peers: RawPeers, cleanup: contextlib.ExitStack
) -> None:
    listener = raw_peers.listen("::1")
    silent = unresponsive_address(cleanup)
    with fake_resolver({"name": [silent, ("::1", listener.port)]}):
        async with sluiceway.connect("name:1") as stream:
            assert stream.peer[0] == "::1"
            timings = stream.timings
    assert timings is not None
    assert timings.resolve is not None
    assert timings.tls is None
    outcomes = {attempt.address: attempt.error for attempt in timings.attempts}
    assert outcomes[f"[::1]:{listener.port}"] is None
    assert isinstance(outcomes[f"127.0.0.1:{silent[1]}"], TimeoutError)
    assert all(0 <= attempt.seconds <= timings.total for attempt in timings.attempts)


async def test_tls_scheme_verifies_certificate_of_host(raw_peers: RawPeers, tls: Any) -> None:
    def serve(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"secret\n")
        peer.unwrap_tls()

    script = raw_peers.serve(serve)
    address = f"tls://localhost:{script.address[1]}"
    async with sluiceway.connect(address, tls=tls.client_context, timeout=3600) as stream:
        assert await stream.read_line() == b"secret\n"
        assert stream.timings is not None
        assert stream.timings.tls is not None
        assert 0 <= stream.timings.tls <= stream.timings.total
    await script.finished()


async def test_tls_over_given_socket_uses_server_hostname(raw_peers: RawPeers, tls: Any) -> None:
    script = raw_peers.serve(lambda peer: peer.start_tls(tls.server_context, server_side=True))
    sock = socket.create_connection(script.address)
    async with sluiceway.connect(sock, tls=tls.client_context, server_hostname="localhost") as stream:
        await script.finished()
        assert stream.writer.get_extra_info("peercert") is not None


async def test_keepalive_sets_options_of_socket(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    given = socket.create_connection(listener.address)
    for address in (f"127.0.0.1:{listener.port}", given):
        async with sluiceway.connect(address, keepalive=(31, 7, 5)) as stream:
            sock = stream.writer.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [31, 7, 5]


async def test_configure_socket_is_called_before_bind_for_each_attempt(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    configured = []

    def configure(sock: socket.socket) -> None:
        configured.append((sock.family, sock.getsockname()[1]))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)

    with fake_resolver({"name": [refusing_address(), ("::1", listener.port)], "here": [("127.0.0.1", 0), ("::1", 0)]}):
        async with sluiceway.connect("name:1", configure_socket=configure, local="here") as stream:
            sock = stream.writer.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 100_000
            assert stream.local[0] == "::1"
    assert configured == [(socket.AF_INET, 0), (socket.AF_INET6, 0)]


async def test_configure_socket_is_called_for_unix_socket(raw_peers: RawPeers, unix_path: str) -> None:
    raw_peers.listen(unix=unix_path)
    families = []
    async with sluiceway.connect(f"unix:{unix_path}", configure_socket=lambda sock: families.append(sock.family)):
        assert families == [socket.AF_UNIX]


class RefusedError(Exception):
    """Unlike a built-in exception, it supports weak references."""


# Before 3.14, the traceback of an eager task's error refers to the frame that created the task, and this to the task.
@pytest.mark.loops("asyncio", "debug", "uvloop", *(["eager"] if sys.version_info >= (3, 14) else []))
async def test_error_of_configure_socket_is_in_no_reference_cycle() -> None:
    def configure(sock: socket.socket) -> None:
        raise RefusedError

    references: list[weakref.ref[RefusedError]] = []
    gc.collect()
    gc.disable()
    try:
        try:
            await sluiceway.connect("127.0.0.1:1", configure_socket=configure)
        except RefusedError as error:
            references.append(weakref.ref(error))
        await run_iterations(10)
        assert [reference() for reference in references] == [None]
    finally:
        gc.enable()


async def test_error_of_configure_socket_closes_every_socket_and_is_raised() -> None:
    sockets = []

    def configure(sock: socket.socket) -> None:
        sockets.append(sock)
        raise LookupError("a bug of the program")

    with pytest.raises(LookupError, match="a bug of the program"):
        await sluiceway.connect("127.0.0.1:1", configure_socket=configure)
    assert [sock.fileno() for sock in sockets] == [-1]


async def test_local_address_and_port_are_used(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.2", 0))
        port = holder.getsockname()[1]
    async with sluiceway.connect(f"127.0.0.1:{listener.port}", local=f"127.0.0.2:{port}") as stream:
        assert stream.local == ("127.0.0.2", port)


@pytest.mark.parametrize("kind", ["address", "pair", "getaddrinfo"])
async def test_resolver_of_program_replaces_getaddrinfo(raw_peers: RawPeers, kind: str) -> None:
    listener = raw_peers.listen()
    asked = []

    async def resolver(host: str, port: int) -> list[Any]:
        asked.append((host, port))
        await asyncio.sleep(0)
        return [{"address": "127.0.0.1", "pair": listener.address}.get(kind, address_info(*listener.address))]

    port = listener.port if kind == "address" else 1
    with fake_resolver({}) as calls:
        async with sluiceway.connect(f"name:{port}", resolver=resolver) as stream:
            assert stream.peer == listener.address
    assert asked == [("name", port)]
    # uvloop calls getaddrinfo() for the IP address as well.
    assert ("name", port) not in [arguments for arguments, _ in calls]


async def test_resolver_is_not_called_for_ip_address(raw_peers: RawPeers) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        raise AssertionError

    listener = raw_peers.listen("::1")
    async with sluiceway.connect(f"[::1]:{listener.port}", resolver=resolver):
        pass
    async with sluiceway.connect(f"[::1%1]:{listener.port}", resolver=resolver):
        pass


@pytest.mark.parametrize(
    "found",
    [
        "name.example",
        "127.0.0.1\0",
        b"127.0.0.1",
        ("127.0.0.1",),
        ["127.0.0.1", 1],
        None,
        5,
        *(("127.0.0.1", port) for port in ("http", -1, 0, 70000, 1 << 70, 1.5, True, None)),
        *((socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (None, (), ("127.0.0.1",), ("::1", 1))),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("name.example", 1)),
        (socket.AF_INET, None, 6, "", ("127.0.0.1", 1)),
        ("inet", socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1)),
        (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/run/app.sock"),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 0, 0)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, "lo")),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 1, 0, 1 << 70)),
    ],
)
async def test_resolver_that_returns_no_address_raises_error_that_names_it(found: Any) -> None:
    async def resolver(host: str, port: int) -> list[Any]:
        return [found]

    with pytest.raises(ValueError, match=r"resolver= returned .* for 'name'; accepted are") as raised:
        await sluiceway.connect("name:1", resolver=resolver)
    assert repr(found) in str(raised.value)


@pytest.mark.parametrize("found", [None, 5, "127.0.0.1", b"127.0.0.1"])
async def test_resolver_that_returns_no_list_raises_type_error_that_names_it(found: Any) -> None:
    async def resolver(host: str, port: int) -> Any:
        return found

    with pytest.raises(TypeError, match=rf"resolver= returned {found!r} for 'name'; accepted is a list of addr"):
        await sluiceway.connect("name:1", resolver=resolver)
    with pytest.raises(TypeError, match=rf"resolver argument must be a coroutine function; it returned {found!r}"):
        await sluiceway.connect("name:1", resolver=lambda host, port: found)


async def test_resolver_may_return_everything_that_getaddrinfo_returns(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    infos = [(socket.AF_INET6, kind, 0, None, ("::1%1", listener.port, 0, 1)) for kind in (socket.SOCK_DGRAM, 0)]

    async def resolver(host: str, port: int) -> list[Any]:
        return infos

    async with sluiceway.connect("name:1", resolver=resolver) as stream:
        assert stream.peer[:2] == listener.address[:2]
    del infos[1]
    with pytest.raises(OSError, match=r"resolver= returned no address"):
        await sluiceway.connect("name:1", resolver=resolver)


async def test_failure_of_local_address_names_local() -> None:
    host, port = refusing_address()
    for local, reason in {
        "name.invalid": "cannot resolve ",
        "192.0.2.7": "error while attempting to bind on address ",
        "[::1]": "no matching local address ",
    }.items():
        message = rf"local='{re.escape(local)}': {reason}"
        with fake_resolver({}), pytest.raises(sluiceway.ConnectError, match=message):
            await sluiceway.connect(f"{host}:{port}", local=local)


async def test_cancelled_connect_closes_its_sockets(cleanup: contextlib.ExitStack) -> None:
    """The leak check of the test finds what stays open."""
    with fake_resolver({"name": [unresponsive_address(cleanup)]}):
        loop: Any = asyncio.get_running_loop()
        started, original = asyncio.Event(), loop.sock_connect

        async def sock_connect(sock: Any, address: Any) -> None:
            started.set()
            await original(sock, address)

        loop.sock_connect = sock_connect
        try:
            connecting: Any = asyncio.ensure_future(sluiceway.connect("name:1", timeout=3600))
            await started.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
        finally:
            del loop.sock_connect


async def test_connect_cancelled_in_tls_handshake_closes_its_socket(raw_peers: RawPeers, tls: Any) -> None:
    def receive_all(peer: Any) -> bytes:
        hello: bytes = peer.receive(1)
        peer.signal("hello")
        return hello + peer.receive_rest()

    script = raw_peers.serve(receive_all)
    opening = sluiceway.connect(f"localhost:{script.address[1]}", tls=tls.client_context, timeout=3600)
    connecting = asyncio.ensure_future(opening)
    await script.wait_for("hello")
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    # The peer sees the end of the connection.
    assert len(await script.finished()) > 100
