"""Connections that end in the same iteration of the loop get connection_lost() from the first of their handles."""

import asyncio
import contextvars
import socket
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway._transports.epoll.transport import SocketTransport, attach
from support import loops

COUNT = 5
CLOSER: contextvars.ContextVar[int] = contextvars.ContextVar("CLOSER")


class Recorder(asyncio.Protocol):
    """Appends its number to ``ended`` at connection_lost(), then calls ``then`` if it is given."""

    def __init__(self, number: int, ended: list[Any], then: Callable[[], None] | None = None) -> None:
        self.number, self.ended, self.then = number, ended, then

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended.append(self.number)
        if self.then is not None:
            self.then()


def attach_all(
    ended: list[Any], then: dict[int, Callable[[], None]] | None = None
) -> tuple[list[SocketTransport], list[socket.socket]]:
    transports, peers = [], []
    for number in range(COUNT):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        protocol = Recorder(number, ended, (then or {}).get(number))
        transports.append(attach(asyncio.get_running_loop(), ours, protocol))
        peers.append(theirs)
    return transports, peers


def close_all(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


@pytest.mark.loops("asyncio", "uvloop")
async def test_connections_closed_together_take_few_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    transports, peers = attach_all(ended)
    loop = asyncio.get_running_loop()
    scheduled = []
    call_soon = loop.call_soon

    def recording(callback: Any, *arguments: Any, **keywords: Any) -> Any:
        scheduled.append(callback)
        return call_soon(callback, *arguments, **keywords)

    if isinstance(loop, asyncio.BaseEventLoop):
        monkeypatch.setattr(loop, "call_soon", recording)
    for transport in transports:
        transport.close()
        assert ended == []
    monkeypatch.undo()
    await asyncio.sleep(0)
    assert ended == list(range(COUNT))
    assert len(scheduled) <= 1
    close_all(peers)


async def test_connection_lost_runs_in_context_that_closed_the_connection() -> None:
    ended: list[int] = []
    closers: list[int] = []
    transports, peers = attach_all(ended, dict.fromkeys(range(COUNT), lambda: closers.append(CLOSER.get())))
    for number, transport in enumerate(transports):
        context = contextvars.copy_context()
        context.run(CLOSER.set, number)
        context.run(transport.close)
    await asyncio.sleep(0)
    assert closers == list(range(COUNT))
    close_all(peers)


async def test_connections_end_although_connection_lost_of_one_raises(loop_errors: list[dict[str, Any]]) -> None:
    def fail() -> None:
        raise ValueError("in a test")

    ended: list[int] = []
    transports, peers = attach_all(ended, {1: fail})
    for transport in transports:
        transport.close()
    await asyncio.sleep(0)
    assert ended == list(range(COUNT))
    assert [one.raw.fileno() for one in transports] == [-1] * COUNT
    (report,) = loop_errors
    assert report["message"] == "protocol.connection_lost() call failed"
    assert (str(report["exception"]), report["transport"]) == ("in a test", transports[1])
    loop_errors.clear()
    close_all(peers)


@pytest.mark.loops("asyncio")
async def test_other_connections_end_in_loop_nested_in_connection_lost() -> None:
    loop: Any = asyncio.get_running_loop()
    ended: list[int] = []
    ended_in_nested_loop = loop.create_future()

    def run_nested() -> None:
        # As nest_asyncio does; no task is current in a callback.
        loop._run_once()
        ended_in_nested_loop.set_result(list(ended))

    transports, peers = attach_all(ended, {1: run_nested})
    for transport in transports:
        transport.close()
    assert await ended_in_nested_loop == list(range(COUNT))
    await asyncio.sleep(0)
    assert ended == list(range(COUNT))
    close_all(peers)


@pytest.mark.loops("asyncio")
def test_other_connections_end_after_interrupt_in_connection_lost(loop_kind: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    ended: list[int] = []
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()

        peers: list[socket.socket] = []

        async def close() -> None:
            transports, theirs = attach_all(ended, {1: interrupt})
            peers.extend(theirs)
            for transport in transports:
                transport.close()

        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(close())
        close_all(peers)
        assert ended == [0, 1]
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert ended == list(range(COUNT))


@pytest.mark.loops("asyncio")
def test_interrupt_before_connection_lost_delays_no_later_connection(loop_kind: str) -> None:
    """A signal handler may raise in the Python code of the loop, before it calls the engine."""

    def interrupt(frame: types.FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is asyncio.Handle._run.__code__:
            raise KeyboardInterrupt

    async def attach_here() -> tuple[list[SocketTransport], list[socket.socket]]:
        return attach_all(ended)

    ended: list[int] = []
    with loops.new_runner(loop_kind) as runner:
        loop = runner.get_loop()
        transports, peers = loop.run_until_complete(attach_here())
        transports[0].close()
        sys.setprofile(interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                loop.run_forever()
        finally:
            sys.setprofile(None)
        for transport in transports[1:]:
            transport.close()
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert ended == list(range(COUNT))
        close_all(peers)
