"""A cancelled open_connection or start_server leaves nothing open; the leak checks count descriptors and tasks."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.fake_resolver import fake_resolver
from support.raw_peer import RawListener, RawPeer, RawPeers
from support.unreachable_addresses import unresponsive_address


async def cancel_when(started: Callable[[], Awaitable[Any]], call: Any) -> Any:
    """Cancel ``call`` when ``started()`` has returned; return its result."""
    task = asyncio.ensure_future(call)
    result = await started()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return result


@contextlib.contextmanager
def signalled(method: str, replacement: Callable[..., Any] | None = None) -> Iterator[Callable[[], Awaitable[None]]]:
    """Yield a function that waits for the next call of this method of the loop."""
    loop: Any = asyncio.get_running_loop()
    original = replacement or getattr(loop, method)
    called = asyncio.Event()

    async def call(*args: Any, **kwargs: Any) -> Any:
        called.set()
        return await original(*args, **kwargs)

    async def wait_for_call() -> None:
        await called.wait()
        called.clear()

    setattr(loop, method, call)
    try:
        yield wait_for_call
    finally:
        delattr(loop, method)


async def test_cancelled_name_lookup_leaves_nothing_open() -> None:
    async def never_resolve(*args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()

    with signalled("getaddrinfo", never_resolve) as lookup_started:
        await cancel_when(lookup_started, sluiceway.open_connection("a.name", 1))
        await cancel_when(lookup_started, sluiceway.open_connection("a.name", 1, happy_eyeballs_delay=0.01))
        await cancel_when(lookup_started, sluiceway.open_connection("127.0.0.1", 1, local_addr=("a.name", 0)))
        await cancel_when(lookup_started, sluiceway.start_server(lambda r, w: None, "a.name", 0))
        await cancel_when(lookup_started, sluiceway.start_server(lambda r, w: None, ["127.0.0.1", "a.name"], 0))


async def test_cancelled_connect_leaves_nothing_open(cleanup: contextlib.ExitStack) -> None:
    with signalled("sock_connect") as connect_started:
        for options in ({}, {"happy_eyeballs_delay": 0.001}):
            address = unresponsive_address(cleanup)
            await cancel_when(connect_started, sluiceway.open_connection(*address, **options))


def accept_client_hello(listener: RawListener) -> RawPeer:
    peer = listener.accept()
    assert peer.receive(1)
    return peer


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_cancelled_handshake_closes_connection(
    kind: str, raw_peers: RawPeers, tls: Certificates, unix_path: str
) -> None:
    if kind == "tcp":
        listener = raw_peers.listen()
        call = sluiceway.open_connection(*listener.address, ssl=tls.client_context)
    else:
        listener = raw_peers.listen(unix=unix_path)
        call = sluiceway.open_unix_connection(unix_path, ssl=tls.client_context, server_hostname="localhost")

    peer = await cancel_when(lambda: asyncio.to_thread(accept_client_hello, listener), call)
    with contextlib.suppress(ConnectionResetError):
        await peer.in_thread(peer.receive_rest)


async def test_cancelled_handshake_closes_socket_given_as_sock(raw_peers: RawPeers, tls: Certificates) -> None:
    listener = raw_peers.listen()
    sock = socket.create_connection(listener.address)
    call = sluiceway.open_connection(sock=sock, ssl=tls.client_context, server_hostname="localhost")
    await cancel_when(lambda: asyncio.to_thread(accept_client_hello, listener), call)
    for _ in range(3):
        await asyncio.sleep(0)
    assert sock.fileno() == -1


def _to_address(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection(*address)


def _to_name(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection("name", 1)


def _with_happy_eyeballs(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.25)


def _over_tls(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection(*address, ssl=tls.client_context)


@pytest.mark.parametrize("connect", [_to_address, _to_name, _with_happy_eyeballs, _over_tls])
async def test_connect_cancelled_after_any_number_of_iterations_leaves_nothing_open(
    connect: Callable[..., Any], tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """The number of iterations goes from none to the one in which the connection is connections_made."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    context = tls.server_context if connect is _over_tls else None
    server = await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=context)
    address = server_address(server)
    connections_made = 0
    with fake_resolver({"name": [address]}):
        for iterations in range(40):
            task = asyncio.ensure_future(connect(address, tls))
            for _ in range(iterations):
                await asyncio.sleep(0)
            task.cancel()
            try:
                _, writer = await task
            except asyncio.CancelledError:
                continue
            connections_made += 1
            writer.close()
            await writer.wait_closed()
    assert connections_made < 40
    server.close()
    await server.wait_closed()
    if loop_kind == "debug" and connect is _over_tls:
        # In debug mode the server reports handshakes that the client did not finish.
        assert {type(context["exception"]) for context in loop_errors} <= {ConnectionResetError}
        loop_errors.clear()


async def test_start_server_cancelled_after_any_number_of_iterations_leaves_nothing_open(unix_path: str) -> None:
    for iterations in range(6):
        for start in (
            sluiceway.start_server(lambda r, w: None, ["127.0.0.1", "::1"], 0),
            sluiceway.start_unix_server(lambda r, w: None, unix_path),
        ):
            task = asyncio.ensure_future(start)
            for _ in range(iterations):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                server = await task
                server.close()
                await server.wait_closed()


# An eager task has begun to listen when ensure_future() returns.
@pytest.mark.loops("asyncio", "debug", "uvloop")
@pytest.mark.parametrize("listening", [False, True])
async def test_cancelled_start_server_closes_socket_given_as_sock_only_if_listening(listening: bool) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        task = asyncio.ensure_future(sluiceway.start_server(lambda r, w: None, sock=sock))
        if listening:
            await asyncio.sleep(0)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (sock.fileno() == -1) is listening


async def test_timed_out_connect_and_handshake_leave_nothing_open(
    cleanup: contextlib.ExitStack, raw_peers: RawPeers, tls: Certificates
) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sluiceway.open_connection(*unresponsive_address(cleanup)), 0.02)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await sluiceway.open_connection(*raw_peers.listen().address, ssl=tls.client_context)
