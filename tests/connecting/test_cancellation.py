"""Cancelling open_connection at whatever point leaves nothing open; the leak checks count descriptors and tasks."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.connections import server_address
from support.fake_resolver import fake_resolver
from support.raw_peer import RawPeer, RawPeers
from support.unreachable_addresses import unresponsive_address


async def cancelled(call: Any, begun: Callable[[], Any] | None = None) -> Any:
    """Cancel ``call`` once ``begun``, called in a thread, has returned, or when some time has passed."""
    task = asyncio.ensure_future(call)
    await (asyncio.sleep(0.05) if begun is None else asyncio.sleep(0))
    found = await (asyncio.sleep(0.05) if begun is None else asyncio.to_thread(begun))
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return found


async def test_while_the_name_is_looked_up() -> None:
    loop: Any = asyncio.get_running_loop()

    async def for_ever(*args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()

    loop.getaddrinfo = for_ever
    try:
        await cancelled(sluiceway.open_connection("a.name", 1))
        await cancelled(sluiceway.open_connection("a.name", 1, happy_eyeballs_delay=0.01))
        await cancelled(sluiceway.open_connection("127.0.0.1", 1, local_addr=("a.name", 0)))
        await cancelled(sluiceway.start_server(lambda r, w: None, "a.name", 0))
        await cancelled(sluiceway.start_server(lambda r, w: None, ["127.0.0.1", "a.name"], 0))
    finally:
        del loop.getaddrinfo


async def test_while_it_connects(cleanup: contextlib.ExitStack) -> None:
    await cancelled(sluiceway.open_connection(*unresponsive_address(cleanup)))
    await cancelled(sluiceway.open_connection(*unresponsive_address(cleanup), happy_eyeballs_delay=0.001))


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_while_it_shakes_hands(kind: str, raw_peers: RawPeers, tls: Certificates, unix_path: str) -> None:
    if kind == "tcp":
        listener = raw_peers.listen()
        call = sluiceway.open_connection(*listener.address, ssl=tls.client_context)
    else:
        listener = raw_peers.listen(unix=unix_path)
        call = sluiceway.open_unix_connection(unix_path, ssl=tls.client_context, server_hostname="localhost")

    def greeted() -> RawPeer:
        peer = listener.accept()
        assert peer.receive(1)
        return peer

    peer = await cancelled(call, greeted)
    with contextlib.suppress(ConnectionResetError):
        await peer.in_thread(peer.receive_rest)


async def test_a_socket_handed_over_is_closed_with_the_handshake(raw_peers: RawPeers, tls: Certificates) -> None:
    listener = raw_peers.listen()
    sock = socket.create_connection(listener.address)
    await cancelled(sluiceway.open_connection(sock=sock, ssl=tls.client_context, server_hostname="localhost"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert sock.fileno() == -1


def _plain(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection(*address)


def _named(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection("name", 1)


def _racing(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.25)


def _encrypted(address: Any, tls: Certificates) -> Any:
    return sluiceway.open_connection(*address, ssl=tls.client_context)


@pytest.mark.parametrize("connect", [_plain, _named, _racing, _encrypted])
async def test_after_any_number_of_turns(
    connect: Callable[..., Any], tls: Certificates, loop_kind: str, loop_errors: list[dict[str, Any]]
) -> None:
    """Turn by turn of the loop, up to the one in which the connection is made."""

    async def handle(reader: Any, writer: Any) -> None:
        await reader.read()
        writer.close()

    context = tls.server_context if connect is _encrypted else None
    server = await sluiceway.start_server(handle, "127.0.0.1", 0, ssl=context)
    address = server_address(server)
    made = 0
    with fake_resolver({"name": [address]}):
        for turns in range(40):
            task = asyncio.ensure_future(connect(address, tls))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            try:
                _, writer = await task
            except asyncio.CancelledError:
                continue
            made += 1
            writer.close()
            await writer.wait_closed()
    assert made < 40
    server.close()
    await server.wait_closed()
    if loop_kind == "debug" and connect is _encrypted:
        # The server's side tells in debug mode of handshakes that nobody finished.
        assert {type(context["exception"]) for context in loop_errors} <= {ConnectionResetError}
        loop_errors.clear()


async def test_start_server_after_any_number_of_turns(unix_path: str) -> None:
    for turns in range(6):
        for start in (
            sluiceway.start_server(lambda r, w: None, ["127.0.0.1", "::1"], 0),
            sluiceway.start_unix_server(lambda r, w: None, unix_path),
        ):
            task = asyncio.ensure_future(start)
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                server = await task
                server.close()
                await server.wait_closed()


async def test_timed_out(cleanup: contextlib.ExitStack, raw_peers: RawPeers, tls: Certificates) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sluiceway.open_connection(*unresponsive_address(cleanup)), 0.02)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await sluiceway.open_connection(*raw_peers.listen().address, ssl=tls.client_context)
