"""L7: happy eyeballs over real sockets, where the caller asks for them."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from support.fake_resolver import fake_resolver
from support.raw_peer import RawPeers
from support.unreachable_addresses import refusing_address, unresponsive_address


async def closed(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def test_a_silent_address_does_not_hold_up_the_next(raw_peers: RawPeers, cleanup: contextlib.ExitStack) -> None:
    listener = raw_peers.listen("::1")
    with fake_resolver({"name": [unresponsive_address(cleanup), ("::1", listener.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.01)
    assert writer.get_extra_info("peername")[0] == "::1"
    await closed(writer)


async def test_without_it_a_silent_address_holds_up_the_rest(
    raw_peers: RawPeers, cleanup: contextlib.ExitStack
) -> None:
    listener = raw_peers.listen()
    with fake_resolver({"name": [unresponsive_address(cleanup), ("127.0.0.1", listener.port)]}):
        connecting = asyncio.create_task(sluiceway.open_connection("name", 1))
        await asyncio.sleep(0.1)
        assert not connecting.done()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_a_refused_address_starts_the_next_at_once(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    with fake_resolver({"name": [refusing_address(), refusing_address(), ("::1", listener.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=3600)
    assert writer.get_extra_info("peername")[0] == "::1"
    await closed(writer)


async def test_the_first_that_answers_is_the_only_one_asked(raw_peers: RawPeers) -> None:
    first, second = raw_peers.listen(), raw_peers.listen("::1")
    with fake_resolver({"name": [("127.0.0.1", first.port), ("::1", second.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=3600)
    first.accept()
    second.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        second.accept()
    await closed(writer)


async def test_cancelled_while_several_are_under_way(raw_peers: RawPeers, cleanup: contextlib.ExitStack) -> None:
    loop: Any = asyncio.get_running_loop()
    under_way: list[Any] = []
    both = asyncio.Event()
    real = loop.sock_connect

    async def sock_connect(sock: Any, address: Any) -> None:
        under_way.append(sock)
        if len(under_way) == 2:
            both.set()
        await real(sock, address)

    loop.sock_connect = sock_connect
    try:
        with fake_resolver({"name": [unresponsive_address(cleanup), unresponsive_address(cleanup, "::1")]}):
            connecting = asyncio.create_task(sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.001))
            await both.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
    finally:
        del loop.sock_connect
    assert [sock.fileno() for sock in under_way] == [-1, -1]


async def test_the_losers_are_closed_when_it_returns(raw_peers: RawPeers, cleanup: contextlib.ExitStack) -> None:
    loop: Any = asyncio.get_running_loop()
    socks: list[Any] = []
    real = loop.sock_connect
    listener = raw_peers.listen("::1")

    async def sock_connect(sock: Any, address: Any) -> None:
        socks.append(sock)
        await real(sock, address)

    loop.sock_connect = sock_connect
    try:
        with fake_resolver({"name": [unresponsive_address(cleanup), ("::1", listener.port)]}):
            _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.001)
    finally:
        del loop.sock_connect
    assert socks[0].fileno() == -1
    await closed(writer)


async def test_the_local_address_is_bound_for_each(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen("::1")
    with fake_resolver({"name": [refusing_address(), ("::1", listener.port)], "here": [("127.0.0.1", 0), ("::1", 0)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.25, local_addr=("here", 0))
    assert writer.get_extra_info("sockname")[0] == "::1"
    await closed(writer)


async def test_one_address_alone(raw_peers: RawPeers) -> None:
    listener = raw_peers.listen()
    _, writer = await sluiceway.open_connection(*listener.address, happy_eyeballs_delay=0.25, interleave=2)
    await closed(writer)


async def test_the_handshake_is_with_the_winner_alone(raw_peers: RawPeers, tls: Any) -> None:
    def greet(peer: Any) -> None:
        peer.start_tls(tls.server_context, server_side=True)
        peer.send(b"hello")
        peer.unwrap_tls()

    script = raw_peers.serve(greet)
    with fake_resolver({"localhost": [refusing_address("::1"), script.address]}):
        reader, writer = await sluiceway.open_connection(
            "localhost", 1, ssl=tls.client_context, happy_eyeballs_delay=0.25
        )
    assert await reader.readexactly(5) == b"hello"
    await closed(writer)
    await script.finished()
