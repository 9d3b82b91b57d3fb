"""A signal handler that raises while the loop starts or stops to watch a socket or the poller fails one connection.

asyncio's loops do this in Python code, in which a handler can run. In these tests, the loop's method itself raises.
"""

import asyncio
import gc
from typing import Any

import pytest

import sluiceway
from engine.epoll_descriptors import epoll_watchers
from engine.peer_connections import PeerConnection, open_connections, run_within
from sluiceway._transports.epoll import loop_watch
from support.raw_peer import RawListener, RawPeers

pytestmark = pytest.mark.loops("asyncio")

before_or_after = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


class InterruptError(Exception):
    pass


def interrupt() -> None:
    raise InterruptError


async def connect(listener: RawListener) -> PeerConnection:
    reader, writer = await sluiceway.open_connection(*listener.address)
    return PeerConnection(reader, writer, listener.accept())


async def check(*connections: PeerConnection) -> None:
    """Check that each connection receives, and close it."""
    for connection in connections:
        connection.peer.send(b"question")
        assert await connection.reader.readexactly(8) == b"question"
    for connection in connections:
        await connection.close()


async def check_failed(connection: PeerConnection, loop_errors: list[dict[str, Any]]) -> None:
    assert connection.transport.is_closing()
    connection.writer.close()
    # Not after abort(), which ends the connection without an error.
    await asyncio.gather(connection.writer.wait_closed(), return_exceptions=True)
    assert {type(context["exception"]) for context in loop_errors} == {InterruptError}
    loop_errors.clear()


async def check_later_connections(raw_peers: RawPeers, loop_epoll: int) -> None:
    """Check that later connections work, and that the loop itself watches one that is the only one."""
    await check(*await open_connections(raw_peers, 2))
    [only] = await open_connections(raw_peers)
    assert epoll_watchers(only) == [loop_epoll]
    await check(only)


@before_or_after
@pytest.mark.parametrize("operation", ["pause", "abort", "write"])
async def test_interrupted_end_of_watching_affects_no_later_connection(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]], operation: str, before: bool
) -> None:
    listener = raw_peers.listen()
    connection = await connect(listener)
    number = connection.transport.get_extra_info("socket").fileno()
    [loop_epoll] = epoll_watchers(connection)
    run_within("_remove_reader", before, interrupt)
    if operation == "pause":
        connection.transport.pause_reading()
    elif operation == "abort":
        connection.transport.abort()
    else:
        connection.writer.write(bytes(1 << 24))
    await check_failed(connection, loop_errors)
    later = await connect(listener)
    assert later.transport.get_extra_info("socket").fileno() == number
    await check(later)
    await check_later_connections(raw_peers, loop_epoll)


@before_or_after
@pytest.mark.parametrize("aborted", [True, False])
async def test_interrupted_handover_to_the_poller_affects_no_later_connection(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]], aborted: bool, before: bool
) -> None:
    [connection] = await open_connections(raw_peers)
    [loop_epoll] = epoll_watchers(connection)

    def action() -> None:
        if aborted:
            connection.transport.abort()
        raise InterruptError

    run_within("_remove_reader", before, action)
    others = await open_connections(raw_peers)
    await check_failed(connection, loop_errors)
    await check(*others)
    await check_later_connections(raw_peers, loop_epoll)


@before_or_after
async def test_interrupted_first_watch_of_the_poller_affects_no_later_connection(
    raw_peers: RawPeers, before: bool
) -> None:
    loop: Any = asyncio.get_running_loop()
    watched = {*loop._selector.get_map()}
    listener = raw_peers.listen()
    run_within("add_reader", before, interrupt)
    with pytest.raises(InterruptError):
        await sluiceway.open_connection(*listener.address)
    # asyncio would not pass a later descriptor with the same number to the kernel.
    assert {*loop._selector.get_map()} == watched
    listener.accept()
    await check(await connect(listener), await connect(listener))


@pytest.mark.parametrize("name", ["__init__", "install_direct_select"])
async def test_interrupt_before_the_first_watch_of_the_poller_is_the_only_error(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    listener = raw_peers.listen()
    target: Any = loop_watch.LoopWatch if name == "__init__" else loop_watch
    monkeypatch.setattr(target, name, lambda *_: interrupt())
    with pytest.raises(InterruptError):
        await sluiceway.open_connection(*listener.address)
    gc.collect()
    monkeypatch.undo()
    listener.accept()
    await check(await connect(listener))


@before_or_after
async def test_interrupt_after_another_socket_resumed_within_affects_no_other_connection(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]], before: bool
) -> None:
    [connection] = await open_connections(raw_peers)
    [loop_epoll] = epoll_watchers(connection)
    [other] = await open_connections(raw_peers)
    connection.transport.pause_reading()
    other.transport.pause_reading()

    def action() -> None:
        other.transport.resume_reading()
        run_within("_remove_reader", before, interrupt)

    run_within("_add_reader", False, action)
    connection.transport.resume_reading()
    await check_failed(connection, loop_errors)
    await check(other)
    await check_later_connections(raw_peers, loop_epoll)
