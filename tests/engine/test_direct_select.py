"""On asyncio's own loops the poller serves sockets in select(); everything else finds the loop as without it."""

import _thread
import asyncio
import collections
import contextlib
import itertools
import math
import operator
import os
import selectors
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from engine.peer_connections import PeerConnection, abort_connections, open_connections, wait_for_readers
from engine.selector_copy import copied
from sluiceway._transports.epoll import direct_select
from support.raw_peer import RawPeer, RawPeers
from support.timeouts import PEER_TIMEOUT

pytestmark = pytest.mark.loops("asyncio")

# The loop watches the only socket itself, and the poller otherwise.
sole_or_several = pytest.mark.parametrize("count", [1, 2], ids=["sole", "several"])

MESSAGES = 50


def is_direct(loop: Any) -> bool:
    return type(getattr(loop._selector.select, "__self__", None)) is direct_select.DirectSelect


class Iterations:
    """Counts the iterations of a loop."""

    def __init__(self, loop: Any) -> None:
        self.count = 0
        self._original = loop._process_events
        loop._process_events = self._process_events

    def _process_events(self, events: list[Any]) -> None:
        self.count += 1
        self._original(events)


async def echo(connection: PeerConnection) -> None:
    while data := await connection.reader.read(100):
        connection.writer.write(data)


async def exchange(raw_peers: RawPeers, count: int = 1, after_message: Callable[[], object] = lambda: None) -> int:
    """Echo MESSAGES messages, one after the other, and return the number of iterations of the loop."""
    loop = asyncio.get_running_loop()

    def ask(peer: RawPeer) -> int:
        before = iterations.count
        for _ in range(MESSAGES):
            peer.send(b"ping")
            assert peer.receive(4) == b"ping"
        return iterations.count - before

    async def handle() -> None:
        for _ in range(MESSAGES):
            connection.writer.write(await connection.reader.readexactly(4))
            after_message()

    connection, *others = await open_connections(raw_peers, count)
    task = asyncio.create_task(handle())
    await wait_for_readers(connection)
    iterations = Iterations(loop)
    asked = await connection.peer.in_thread(ask, connection.peer)
    await task
    await abort_connections([connection, *others])
    return asked


@sole_or_several
async def test_message_that_leaves_the_loop_idle_takes_no_iteration(raw_peers: RawPeers, count: int):
    # The call in a thread wakes the loop at its start.
    assert await exchange(raw_peers, count) < MESSAGES / 2


async def test_timers_that_each_message_starts_and_cancels_take_few_iterations_and_do_not_pile_up(raw_peers: RawPeers):
    loop = asyncio.get_running_loop()
    kept = loop.call_later(1000, lambda: None)
    largest = 0

    def start_timers():
        nonlocal largest
        for _ in range(20):
            loop.call_later(2000, lambda: None).cancel()
        largest = max(largest, len(loop._scheduled))

    assert await exchange(raw_peers, after_message=start_timers) < MESSAGES / 2
    assert largest < MESSAGES * 20 / 4
    kept.cancel()


@sole_or_several
async def test_select_is_the_original_when_the_last_connection_has_gone(raw_peers: RawPeers, count: int):
    loop = asyncio.get_running_loop()
    assert not is_direct(loop)
    for _ in range(2):
        connections = await open_connections(raw_peers, count)
        assert is_direct(loop)
        await abort_connections(connections)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not is_direct(loop)
        assert "select" not in vars(loop._selector)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_select_is_the_original_when_the_loop_is_closed(raw_peers: RawPeers):
    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(open_connections(raw_peers, 2))
    selector = loop._selector
    assert is_direct(loop)
    loop.close()
    assert "select" not in vars(selector)


class LoopOfProgram(asyncio.SelectorEventLoop):
    pass


class SelectorOfProgram(selectors.EpollSelector):
    pass


@pytest.mark.parametrize(
    "make",
    [
        LoopOfProgram,
        lambda: asyncio.SelectorEventLoop(SelectorOfProgram()),
        lambda: asyncio.SelectorEventLoop(selectors.PollSelector()),
    ],
    ids=["loop", "selector", "poll"],
)
def test_loop_or_selector_of_another_class_keeps_its_select(
    raw_peers: RawPeers, make: Callable[[], asyncio.SelectorEventLoop]
):
    with contextlib.closing(make()) as loop:
        connections = loop.run_until_complete(open_connections(raw_peers, 2))
        assert "select" not in vars(loop._selector)
        loop.run_until_complete(abort_connections(connections))


async def test_variable_leaves_select_unchanged(raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(direct_select, "SELECT_CHOICE", "loop")
    assert await exchange(raw_peers) >= MESSAGES
    connections = await open_connections(raw_peers)
    assert not is_direct(asyncio.get_running_loop())
    await abort_connections(connections)


async def test_monitor_of_handles_gets_every_event(raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch):
    """Monitors of slow callbacks replace Handle._run."""
    original = asyncio.Handle._run
    monkeypatch.setattr(asyncio.Handle, "_run", lambda handle: original(handle))
    assert await exchange(raw_peers) >= MESSAGES


async def test_select_that_the_program_has_replaced_stays(raw_peers: RawPeers):
    selector: Any = asyncio.get_running_loop()._selector
    original = selector.select

    def before(timeout=None):
        return original(timeout)

    def between(timeout=None):
        return direct(timeout)

    selector.select = before
    connections = await open_connections(raw_peers)
    assert selector.select is before
    await abort_connections(connections)
    await asyncio.sleep(0)
    del selector.select

    connections = await open_connections(raw_peers)
    direct = selector.select
    selector.select = between
    assert await exchange(raw_peers) >= MESSAGES
    await abort_connections(connections)
    await asyncio.sleep(0)
    assert selector.select is between
    # The method that the program has stored works without a connection, and with a later one.
    await asyncio.to_thread(lambda: None)
    assert await exchange(raw_peers) >= MESSAGES
    del selector.select


class ForwardingSelector:
    """A selector that a program puts in place of the loop's own, and that forwards all calls to it."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector

    def __getattr__(self, name: str) -> object:
        return getattr(self._selector, name)


@sole_or_several
@pytest.mark.parametrize("kind", ["forwarding", "copy"])
async def test_connections_work_when_the_program_replaces_the_selector(raw_peers: RawPeers, count: int, kind: str):
    loop: Any = asyncio.get_running_loop()
    connections = await open_connections(raw_peers, count)
    tasks = [asyncio.create_task(echo(connection)) for connection in connections]
    await wait_for_readers(*connections)
    original = loop._selector
    loop._selector = copied(original) if kind == "copy" else ForwardingSelector(original)
    for connection in connections:
        connection.peer.send(b"ping")
        assert await connection.peer.in_thread(connection.peer.receive, 4) == b"ping"
        connection.peer.half_close()
    await asyncio.gather(*tasks)
    await abort_connections(connections)
    await asyncio.sleep(0)
    if kind == "copy":
        loop._selector.close()
    loop._selector = original
    assert "select" not in vars(original)


def test_loop_that_other_code_drives_continues_after_each_event(raw_peers: RawPeers):
    """nest_asyncio tests after each iteration whether its future is done. That future need not have a callback."""
    loop: Any = asyncio.SelectorEventLoop()
    connections = loop.run_until_complete(open_connections(raw_peers, 2))

    def run_until_done(future: asyncio.Future) -> None:
        over = loop.call_later(PEER_TIMEOUT, lambda: None)
        asyncio._set_running_loop(loop)
        loop._thread_id = threading.get_ident()
        try:
            while not future.done():
                loop._run_once()
        finally:
            loop._thread_id = None
            asyncio._set_running_loop(None)
            over.cancel()

    reading = loop.create_task(connections[0].reader.readexactly(2))
    loop.run_until_complete(wait_for_readers(connections[0]))
    # Not in the kernel before select() waits, and so not served by the handle of the poller.
    sender = threading.Timer(0.01, connections[0].peer.send, [b"ok"])
    sender.start()
    began = loop.time()
    run_until_done(reading)
    assert loop.time() < began + PEER_TIMEOUT, "select() has not returned"
    sender.join()
    assert reading.result() == b"ok"
    loop.run_until_complete(abort_connections(connections))
    loop.close()


READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.mark.parametrize("events", [READ, WRITE, READ | WRITE], ids=["read", "write", "both"])
@pytest.mark.parametrize("data", ["text", None, (), (None, None), ("text", None)], ids=repr)
async def test_select_called_by_the_program_returns_what_the_original_returns(
    raw_peers: RawPeers, events: int, data: object
):
    loop: Any = asyncio.get_running_loop()
    connections = await open_connections(raw_peers, 2)
    selector = loop._selector
    assert is_direct(loop)
    with contextlib.ExitStack() as stack:

        def check(change: Callable[[], object]) -> None:
            change()
            for timeout in (0, -1, None, 10, 0.001):
                found = [select(timeout) for select in (selector.select, type(selector).select.__get__(selector))]
                first, second = (sorted(pairs, key=lambda pair: pair[0].fd) for pairs in found)
                assert first == second != []

        for _ in range(2):
            ours, theirs = map(stack.enter_context, socket.socketpair())
            theirs.send(b"!")
            check(lambda sock=ours: selector.register(sock, events, data))
            stack.callback(selector.unregister, ours)
        check(theirs.close)
        check(lambda: connections[0].peer.send(b"!"))
    assert await connections[0].reader.readexactly(1) == b"!"
    await abort_connections(connections)


@pytest.mark.parametrize(
    ("timeout", "error"), [(math.nan, ValueError), (math.inf, OverflowError), (1e30, OverflowError)]
)
async def test_select_with_an_impossible_timeout_raises_the_original_error(
    raw_peers: RawPeers, timeout: float, error: type[Exception]
):
    loop: Any = asyncio.get_running_loop()
    connections = await open_connections(raw_peers, 2)
    assert is_direct(loop)
    with pytest.raises(error):
        loop._selector.select(timeout)
    await abort_connections(connections)


async def test_callbacks_run_after_the_program_has_replaced_the_queue_of_the_loop(raw_peers: RawPeers):
    loop: Any = asyncio.get_running_loop()
    [connection] = await open_connections(raw_peers)
    assert is_direct(loop)
    loop._ready = collections.deque(loop._ready)
    called = asyncio.Event()

    async def handle() -> None:
        await connection.reader.readexactly(1)
        loop.call_soon(called.set)
        await connection.reader.readexactly(1)

    task = asyncio.create_task(handle())
    await wait_for_readers(connection)
    await connection.peer.in_thread(connection.peer.send, b"1")
    await called.wait()
    connection.peer.send(b"2")
    await task
    await abort_connections([connection])


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="newer tasks run only in a running loop of the thread")
def test_iteration_without_a_calling_frame_serves_the_connection(raw_peers: RawPeers):
    loop: Any = asyncio.SelectorEventLoop()
    connections = loop.run_until_complete(open_connections(raw_peers, 2))
    reading = loop.create_task(connections[0].reader.readexactly(2))
    loop.run_until_complete(wait_for_readers(connections[0]))
    connections[0].peer.send(b"ok")
    errors: list[Any] = []
    original, sys.unraisablehook = sys.unraisablehook, errors.append
    try:
        while not reading.done() and not errors:
            iterated = threading.Event()
            # C functions call the method: it has no calling frame.
            calls = itertools.chain(
                map(operator.methodcaller("_run_once"), [loop]), map(operator.methodcaller("set"), [iterated])
            )
            _thread.start_new_thread(collections.deque, (calls, 0))
            while not iterated.wait(0.01) and not errors:
                pass
    finally:
        sys.unraisablehook = original
    assert errors == []
    assert reading.result() == b"ok"
    loop.run_until_complete(abort_connections(connections))
    loop.close()


async def test_select_of_a_closed_selector_raises_the_original_error(raw_peers: RawPeers):
    loop: Any = asyncio.get_running_loop()
    connections = await open_connections(raw_peers)
    selector = loop._selector
    number = selector.fileno()
    copy = os.dup(number)
    os.close(number)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            selector.select(0)
    finally:
        os.dup2(copy, number, inheritable=False)
        os.close(copy)
    await abort_connections(connections)


async def test_connections_opened_and_closed_while_serving_leave_the_original_select(raw_peers: RawPeers):
    listener = raw_peers.listen()
    loop = asyncio.get_running_loop()
    [connection] = await open_connections(raw_peers)

    async def handle() -> None:
        await connection.reader.readexactly(1)
        for _ in range(3):
            _, writer = await sluiceway.open_connection(*listener.address)
            listener.accept().close()
            writer.close()
            await writer.wait_closed()
        await connection.close()

    task = asyncio.create_task(handle())
    await wait_for_readers(connection)
    connection.peer.send(b"!")
    await task
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "select" not in vars(loop._selector)


def test_dict_of_the_loop_is_not_created() -> None:
    """Python 3.11 and 3.12 read every attribute of a loop slowly once its dict exists.

    In a subprocess, because attributes that other tests have assigned to their loops may create it.
    """
    program = textwrap.dedent("""
        import asyncio, gc, sluiceway

        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        async def main():
            timer = asyncio.get_running_loop().call_later(1000, print)
            async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
                reader, writer = await sluiceway.open_connection(*server.sockets[0].getsockname())
                writer.write(b"line\\n")
                assert await reader.read() == b"line\\n"
                writer.close()
            timer.cancel()
            return asyncio.get_running_loop()

        loop = asyncio.run(main())
        assert not [one for one in gc.get_referents(loop) if isinstance(one, dict) and "_ready" in one]
    """)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PEER_TIMEOUT)
