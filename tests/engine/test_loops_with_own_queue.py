"""Subclasses of asyncio's loop whose callbacks are not in the queue of asyncio, or whose queue is not a deque."""

import asyncio
import collections
import heapq
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from support.connections import server_address


class MinimalQueue:
    """A queue that has only what asyncio's loop needs, as a queue with priorities does."""

    def __init__(self) -> None:
        self._handles: collections.deque[asyncio.Handle] = collections.deque()
        self.append = self._handles.append
        self.popleft = self._handles.popleft
        self.clear = self._handles.clear

    def __len__(self) -> int:
        return len(self._handles)


class NoQueue:
    def clear(self) -> None: ...


class LoopWithMinimalQueue(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._ready = MinimalQueue()


class LoopWithOwnPrivateCall(asyncio.SelectorEventLoop):
    """Has its own _call_soon() and does not use ``_ready``, as the loop of loopmini."""

    def __init__(self) -> None:
        super().__init__()
        self._own_queue: collections.deque[Any] = collections.deque()

    def _call_soon(self, callback: Callable[..., object], args: Any, context: Any) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._own_queue.append(handle)
        return handle

    def _add_callback(self, handle: Any) -> None:
        self._own_queue.append(handle)

    def _run_once(self) -> None:
        this: Any = self
        timers = this._scheduled
        timeout = max(0.0, timers[0].when() - self.time()) if timers else None
        this._process_events(this._selector.select(0 if self._own_queue or this._stopping else timeout))
        while timers and timers[0].when() <= self.time():
            self._own_queue.append(heapq.heappop(timers))
        for _ in range(len(self._own_queue)):
            handle = self._own_queue.popleft()
            if not handle.cancelled():
                handle._run()


class LoopWithOwnCall(LoopWithOwnPrivateCall):
    """Has its own call_soon(), and ``_ready`` may be no queue, as in the loops of qasync and trio-asyncio."""

    def __init__(self, unused_queue: Any) -> None:
        super().__init__()
        self._ready = unused_queue

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        return self._call_soon(callback, args, context)


async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def exchange(address: tuple[str, int], name: bytes) -> list[bytes]:
    reader, writer = await sluiceway.open_connection(*address)
    lines = []
    for number in range(3):
        writer.write(b"%s %d\n" % (name, number))
        lines.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return lines


@pytest.mark.parametrize(
    "new_loop",
    [
        pytest.param(LoopWithMinimalQueue, id="minimal queue"),
        pytest.param(LoopWithOwnPrivateCall, id="own _call_soon"),
        pytest.param(lambda: LoopWithOwnCall(collections.deque()), id="own call_soon, unused deque"),
        pytest.param(lambda: LoopWithOwnCall(NoQueue()), id="own call_soon, no deque"),
    ],
)
def test_server_and_clients_work_on_a_loop_with_its_own_queue(new_loop: Callable[[], asyncio.AbstractEventLoop]):
    errors: list[Any] = []

    async def serve_and_connect() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        async with await sluiceway.start_server(echo, "127.0.0.1", 0) as server:
            address = server_address(server)
            names = [b"one", b"two", b"three"]
            results = await asyncio.gather(*(exchange(address, name) for name in names))
            assert results == [[b"%s %d\n" % (name, number) for number in range(3)] for name in names]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve_and_connect())
    assert errors == []
