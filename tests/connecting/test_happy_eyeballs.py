"""L7: happy eyeballs on original sockets, with happy_eyeballs_delay=."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from support.fake_resolver import fake_resolver
from support.raw_peer import RawPeers
from support.scheduling import run_iterations
from support.unreachable_addresses import refusing_address, unresponsive_address


async def close(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def test_next_address_is_tried_while_first_does_not_respond(
    raw_peers: RawPeers, cleanup: contextlib.ExitStack
) -> None:
    listener = raw_peers.listen("::1")
    with fake_resolver({"name": [unresponsive_address(cleanup), ("::1", listener.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.01)
    assert writer.get_extra_info("peername")[0] == "::1"
    await close(writer)


async def test_next_address_is_not_tried_without_delay_while_first_does_not_respond(
    raw_peers: RawPeers, cleanup: contextlib.ExitStack
) -> None:
    listener = raw_peers.listen()
    with fake_resolver({"name": [unresponsive_address(cleanup), ("127.0.0.1", listener.port)]}):
        connecting = asyncio.create_task(sluiceway.open_connection("name", 1))
        await run_iterations(50)
        assert not connecting.done()
        listener.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_refused_address_starts_next_immediately(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    with fake_resolver({"name": [refusing_address(), refusing_address(), ("::1", listener.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=3600)
    assert writer.get_extra_info("peername")[0] == "::1"
    await close(writer)


async def test_second_address_is_not_tried_if_first_answers(raw_peers: RawPeers) -> None:
    first, second = raw_peers.listen(), raw_peers.listen("::1")
    with fake_resolver({"name": [("127.0.0.1", first.port), ("::1", second.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=3600)
    first.accept()
    second.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        second.accept()
    await close(writer)


async def test_cancelled_connect_closes_every_started_attempt(cleanup: contextlib.ExitStack) -> None:
    loop: Any = asyncio.get_running_loop()
    sockets: list[Any] = []
    both_started = asyncio.Event()
    original = loop.sock_connect

    async def sock_connect(sock: Any, address: Any) -> None:
        sockets.append(sock)
        if len(sockets) == 2:
            both_started.set()
        await original(sock, address)

    loop.sock_connect = sock_connect
    try:
        with fake_resolver({"name": [unresponsive_address(cleanup), unresponsive_address(cleanup, "::1")]}):
            connecting = asyncio.create_task(sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.001))
            await both_started.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
    finally:
        del loop.sock_connect
    assert [sock.fileno() for sock in sockets] == [-1, -1]


async def test_losing_attempts_are_closed_before_return(raw_peers: RawPeers, cleanup: contextlib.ExitStack) -> None:
    loop: Any = asyncio.get_running_loop()
    sockets: list[Any] = []
    original = loop.sock_connect
    listener = raw_peers.listen("::1")

    async def sock_connect(sock: Any, address: Any) -> None:
        sockets.append(sock)
        await original(sock, address)

    loop.sock_connect = sock_connect
    try:
        with fake_resolver({"name": [unresponsive_address(cleanup), ("::1", listener.port)]}):
            _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.001)
    finally:
        del loop.sock_connect
    assert sockets[0].fileno() == -1
    await close(writer)


async def test_local_address_of_same_family_is_bound_for_each_attempt(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    with fake_resolver({"name": [refusing_address(), ("::1", listener.port)], "here": [("127.0.0.1", 0), ("::1", 0)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.25, local_addr=("here", 0))
    assert writer.get_extra_info("sockname")[0] == "::1"
    await close(writer)


async def test_single_address_connects_with_happy_eyeballs_options(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address, happy_eyeballs_delay=0.25, interleave=2)
    await close(writer)


async def test_tls_handshake_is_done_with_winner(raw_peers: RawPeers, tls: Any) -> None:
    def send_hello(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"hello")
        peer.unwrap_tls()

    script = raw_peers.serve(send_hello)
    with fake_resolver({"localhost": [refusing_address("::1"), script.address]}):
        reader, writer = await sluiceway.open_connection(
            "localhost", 1, ssl=tls.client_context, happy_eyeballs_delay=0.25
        )
    assert await reader.readexactly(5) == b"hello"
    await close(writer)
    await script.finished()
