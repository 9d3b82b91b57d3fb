"""While the poller serves sockets in select(), the loop continues as soon as there is something else to do."""

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import socket
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.peer_connections import PeerConnection, abort_connections, open_connections
from engine.selector_copy import copied
from sluiceway._transports.epoll import direct_select
from support.raw_peer import RawPeers
from support.timeouts import PEER_TIMEOUT

pytestmark = pytest.mark.loops("asyncio")


class Served:
    """A loop whose select() serves a connection, and calls a function while it does so."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: PeerConnection) -> None:
        self.loop = loop
        self.connection = connection
        self.caller = "_run_once"

    def run(self, change: Callable[[], object], *, send: bool = True) -> None:
        """Call ``change()`` while select() serves, and run the loop until stop().

        ``send``: False if the test makes the connection ready itself.
        """
        loop = self.loop
        changed = []

        class Changing(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                changed.append(sys._getframe(1).f_code.co_name)
                change()

        self.connection.transport.set_protocol(Changing())
        if send:
            self.connection.peer.send(b"!")
        over = loop.call_later(PEER_TIMEOUT, loop.stop)
        try:
            loop.run_forever()
        finally:
            over.cancel()
        assert loop.time() < over.when(), "the loop has not continued"
        assert changed == [self.caller]


@pytest.fixture
def served(raw_peers: RawPeers) -> Iterator[Served]:
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        [connection] = loop.run_until_complete(open_connections(raw_peers))
        streams = connection.transport.get_protocol()
        yield Served(loop, connection)
        connection.transport.set_protocol(streams)
        loop.run_until_complete(abort_connections([connection]))


def test_stop_while_serving_ends_the_run(served: Served):
    served.run(served.loop.stop)


def test_callback_added_while_serving_runs(served: Served):
    served.run(lambda: served.loop.call_soon(served.loop.stop))


def test_callback_of_another_thread_added_while_serving_runs(served: Served):
    def change() -> None:
        thread = threading.Thread(target=served.loop.call_soon_threadsafe, args=[served.loop.stop])
        thread.start()
        thread.join()

    served.run(change)


def test_callback_that_waits_runs_before_the_event(served: Served):
    order: list[str] = []

    def make_ready() -> None:
        served.loop.call_soon(order.append, "callback")
        served.connection.peer.send(b"!")

    def change() -> None:
        order.append("event")
        served.loop.stop()

    served.caller = "_run"
    served.loop.call_soon(make_ready)
    served.run(change, send=False)
    assert order == ["callback", "event"]


def test_debug_mode_runs_the_handle_of_the_poller(served: Served):
    """It logs handles that take long."""
    served.loop.set_debug(True)
    served.caller = "_run"
    served.run(served.loop.stop)
    served.loop.set_debug(False)


@pytest.mark.parametrize("close", [False, True], ids=["open", "closed"])
def test_selector_replaced_while_serving_is_used(served: Served, close: bool):
    loop: Any = served.loop
    original = loop._selector
    ours, theirs = socket.socketpair()

    def replace() -> None:
        loop._selector = copied(original)
        loop.add_reader(ours, loop.stop)
        if close:
            original.close()

    with ours, theirs:
        theirs.send(b"!")
        served.run(replace)
        loop.remove_reader(ours)
    if not close:
        original.close()


def test_executor_job_started_while_serving_completes(served: Served):
    loop = served.loop

    def change() -> None:
        loop.run_in_executor(None, int).add_done_callback(lambda future: loop.stop())

    served.run(change)
    loop.run_until_complete(loop.shutdown_default_executor())


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "earlier than another"])
def test_timer_added_while_serving_runs(served: Served, earlier: bool):
    other = served.loop.call_later(10 * PEER_TIMEOUT, lambda: None) if earlier else None
    served.run(lambda: served.loop.call_later(0.001, served.loop.stop))
    if other is not None:
        other.cancel()


def test_timer_added_before_serving_runs_in_time(served: Served):
    loop = served.loop
    ran: list[float] = []

    def run() -> None:
        ran.append(loop.time())
        loop.stop()

    timer = loop.call_later(0.05, run)
    served.run(lambda: None)
    assert ran[0] >= timer.when() - loop._clock_resolution


@pytest.mark.parametrize("replaced", ["method of the loop", "method of the class", "module", "function"])
def test_timer_runs_after_the_program_has_moved_its_own_clock_while_serving(
    served: Served, monkeypatch: pytest.MonkeyPatch, replaced: str
):
    """Tests of timeouts replace the clock, for example by freezegun."""
    loop = served.loop
    now = loop.time()
    order: list[object] = []

    def clock(*_: object) -> float:
        return now

    class Moving(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            nonlocal now
            order.extend((data, sys._getframe(1).f_code.co_name))
            if data == b"1":
                now += 2000
                served.connection.peer.send(b"2")
            else:
                loop.stop()

    timer = loop.call_later(1000, order.append, "timer")
    served.connection.transport.set_protocol(Moving())
    with monkeypatch.context() as patch:
        if replaced == "method of the loop":
            patch.setattr(loop, "time", clock)
        elif replaced == "method of the class":
            patch.setattr(asyncio.BaseEventLoop, "time", clock)
        elif replaced == "module":
            patch.setattr(asyncio.base_events, "time", types.SimpleNamespace(monotonic=clock))
        else:
            patch.setattr(time, "monotonic", clock)
        served.connection.peer.send(b"1")
        loop.run_forever()
    assert order == [b"1", "_run_once", "timer", b"2", "_run_once"]
    timer.cancel()


def test_reader_added_while_serving_runs(served: Served):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"!")
        served.run(lambda: served.loop.add_reader(ours, served.loop.stop))
        assert served.loop.remove_reader(ours)


def test_child_process_started_before_serving_is_awaited(served: Served):
    loop = served.loop

    async def end_child() -> None:
        process = await asyncio.create_subprocess_exec("true")
        assert await process.wait() == 0
        loop.stop()

    tasks: list[asyncio.Task[None]] = []
    served.run(lambda: tasks.append(loop.create_task(end_child())))
    assert tasks[0].done()


def test_interrupt_while_serving_is_raised_by_the_run(served: Served):
    def interrupt() -> None:
        raise KeyboardInterrupt("while serving")

    with pytest.raises(KeyboardInterrupt, match="while serving"):
        served.run(interrupt)


@contextlib.contextmanager
def signal_sent(handler: Callable[[], object]) -> Iterator[threading.Event]:
    """Call ``handler()`` once, for a signal that another thread sends to this one after the event is set.

    The signal is repeated until then, because the first ones may arrive before this thread waits.
    """
    begin, handled = threading.Event(), threading.Event()
    thread_id = threading.get_ident()

    def send() -> None:
        begin.wait(PEER_TIMEOUT)
        while not handled.wait(0.001):
            signal.pthread_kill(thread_id, signal.SIGUSR1)

    def handle(number: int, frame: object) -> None:
        if not handled.is_set():
            handled.set()
            handler()

    previous = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield begin
    finally:
        handled.set()
        begin.set()
        sender.join()
        signal.signal(signal.SIGUSR1, previous)


def test_signal_handler_that_stops_the_loop_ends_its_wait(served: Served):
    with signal_sent(lambda: served.loop.stop()) as begin:
        served.run(begin.set)


def test_signal_handler_that_adds_a_callback_ends_the_wait(served: Served):
    with signal_sent(lambda: served.loop.call_soon(served.loop.stop)) as begin:
        served.run(begin.set)


def test_signal_handler_that_raises_ends_the_run(served: Served):
    def interrupt() -> None:
        raise KeyboardInterrupt("from a signal")

    with pytest.raises(KeyboardInterrupt, match="from a signal"), signal_sent(interrupt) as begin:
        served.run(begin.set)


def test_signal_handler_of_the_loop_runs(served: Served):
    served.loop.add_signal_handler(signal.SIGUSR1, served.loop.stop)
    served.run(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    assert served.loop.remove_signal_handler(signal.SIGUSR1)


def test_wait_continues_after_a_signal_without_an_effect(served: Served):
    loop = served.loop
    order = []

    def end() -> None:
        order.append("timer")
        loop.stop()

    with signal_sent(lambda: order.append("signal")) as begin:
        loop.call_later(0.05, end)
        served.run(begin.set)
    assert order == ["signal", "timer"]


async def test_always_ready_connection_starves_neither_timer_nor_other_descriptor(raw_peers: RawPeers):
    loop = asyncio.get_running_loop()
    [connection] = await open_connections(raw_peers)
    ours, theirs = socket.socketpair()
    seen = set()

    def see(name: str) -> None:
        seen.add(name)
        loop.remove_reader(ours)

    async def handle() -> None:
        connection.peer.send(b"!")
        loop.call_later(0.005, seen.add, "timer")
        messages = 0
        while seen != {"timer", "reader"}:
            await connection.reader.readexactly(1)
            messages += 1
            if messages == 10:
                theirs.send(b"!")
            connection.peer.send(b"!")

    with ours, theirs:
        loop.add_reader(ours, see, "reader")
        await asyncio.create_task(handle())
    await abort_connections([connection])


class ServedPipe:
    """A DirectSelect that calls ``serve()`` for one end of a pair of sockets."""

    def __init__(self, loop: Any, stack: contextlib.ExitStack, serve: Callable[[], object]) -> None:
        self.ours, self.theirs = map(stack.enter_context, socket.socketpair())
        self.handle = loop._add_reader(self.ours, self.run_by_loop)
        stack.callback(loop._remove_reader, self.ours)
        direct = direct_select.install_direct_select(loop, self.handle._callback, serve)
        assert direct is not None
        stack.callback(direct.remove)

    def run_by_loop(self) -> None:
        raise AssertionError("the loop runs the handle")


async def test_unexpected_exception_is_reported_as_that_of_a_callback(loop_errors: list[dict[str, Any]]):
    loop = asyncio.get_running_loop()
    served = loop.create_future()

    def serve() -> None:
        pipe.ours.recv(1)
        loop.call_soon(served.set_result, None)
        raise ZeroDivisionError

    with contextlib.ExitStack() as stack:
        pipe = ServedPipe(loop, stack, serve)
        loop.call_later(0.001, pipe.theirs.send, b"!")
        await served
    [error] = loop_errors
    assert isinstance(error["exception"], ZeroDivisionError)
    assert error["handle"] is pipe.handle
    loop_errors.clear()


async def test_signal_that_arrives_while_serving_runs_its_handler_before_the_next_wait():
    """In C code, where neither the interpreter nor a system call notices it."""
    loop = asyncio.get_running_loop()
    handled = loop.create_future()
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: handled.done() or handled.set_result(None))
    # ctypes.PyDLL keeps the interpreter lock. The second argument, which the C function ignores, counts the calls: the
    # pair of sockets stays ready.
    calls = itertools.count()
    serve = map(ctypes.PyDLL(None)["raise"], itertools.repeat(signal.SIGUSR1), calls).__next__
    try:
        with contextlib.ExitStack() as stack:
            pipe = ServedPipe(loop, stack, serve)
            loop.call_later(0.001, pipe.theirs.send, b"!")
            await handled
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert next(calls) == 1
