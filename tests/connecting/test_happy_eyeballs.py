"""L7: happy eyeballs over real sockets, where the caller asks for them."""

import asyncio
import contextlib
from typing import Any

import pytest

import sluiceway
from support.addresses import refusing, silent
from support.peer import Peers
from support.resolver import resolving


async def closed(writer: Any) -> None:
    writer.close()
    await writer.wait_closed()


async def test_a_silent_address_does_not_hold_up_the_next(peer: Peers, at_end: contextlib.ExitStack) -> None:
    listener = peer.listen("::1")
    with resolving({"name": [silent(at_end), ("::1", listener.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.01)
    assert writer.get_extra_info("peername")[0] == "::1"
    await closed(writer)


async def test_without_it_a_silent_address_holds_up_the_rest(peer: Peers, at_end: contextlib.ExitStack) -> None:
    listener = peer.listen()
    with resolving({"name": [silent(at_end), ("127.0.0.1", listener.port)]}):
        connecting = asyncio.create_task(sluiceway.open_connection("name", 1))
        await asyncio.sleep(0.1)
        assert not connecting.done()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_a_refused_address_starts_the_next_at_once(peer: Peers) -> None:
    listener = peer.listen("::1")
    with resolving({"name": [refusing(), refusing(), ("::1", listener.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=3600)
    assert writer.get_extra_info("peername")[0] == "::1"
    await closed(writer)


async def test_the_first_that_answers_is_the_only_one_asked(peer: Peers) -> None:
    first, second = peer.listen(), peer.listen("::1")
    with resolving({"name": [("127.0.0.1", first.port), ("::1", second.port)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=3600)
    first.accept()
    second.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        second.accept()
    await closed(writer)


async def test_cancelled_while_several_are_under_way(peer: Peers, at_end: contextlib.ExitStack) -> None:
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
        with resolving({"name": [silent(at_end), silent(at_end, "::1")]}):
            connecting = asyncio.create_task(sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.001))
            await both.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
    finally:
        del loop.sock_connect
    assert [sock.fileno() for sock in under_way] == [-1, -1]


async def test_the_losers_are_closed_when_it_returns(peer: Peers, at_end: contextlib.ExitStack) -> None:
    loop: Any = asyncio.get_running_loop()
    socks: list[Any] = []
    real = loop.sock_connect
    listener = peer.listen("::1")

    async def sock_connect(sock: Any, address: Any) -> None:
        socks.append(sock)
        await real(sock, address)

    loop.sock_connect = sock_connect
    try:
        with resolving({"name": [silent(at_end), ("::1", listener.port)]}):
            _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.001)
    finally:
        del loop.sock_connect
    assert socks[0].fileno() == -1
    await closed(writer)


async def test_the_local_address_is_bound_for_each(peer: Peers) -> None:
    listener = peer.listen("::1")
    with resolving({"name": [refusing(), ("::1", listener.port)], "here": [("127.0.0.1", 0), ("::1", 0)]}):
        _, writer = await sluiceway.open_connection("name", 1, happy_eyeballs_delay=0.25, local_addr=("here", 0))
    assert writer.get_extra_info("sockname")[0] == "::1"
    await closed(writer)


async def test_one_address_alone(peer: Peers) -> None:
    listener = peer.listen()
    _, writer = await sluiceway.open_connection(*listener.address, happy_eyeballs_delay=0.25, interleave=2)
    await closed(writer)


async def test_the_handshake_is_with_the_winner_alone(peer: Peers, tls: Any) -> None:
    def greet(wire: Any) -> None:
        wire.start_tls(tls.server_context, server_side=True)
        wire.send(b"hello")
        wire.farewell()

    script = peer.serve(greet)
    with resolving({"localhost": [refusing("::1"), script.address]}):
        reader, writer = await sluiceway.open_connection(
            "localhost", 1, ssl=tls.client_context, happy_eyeballs_delay=0.25
        )
    assert await reader.readexactly(5) == b"hello"
    await closed(writer)
    await script.finished()
