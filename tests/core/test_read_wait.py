"""R9: one read at a time owns the stream, from its first wait to its end."""

import asyncio
import importlib
import types
from collections.abc import Callable
from typing import Any

import pytest

from support.fake_transports import CountingTransport
from support.scheduling import run_iterations, start_task

READS = {
    "read": lambda reader: reader.read(10),
    "readexactly": lambda reader: reader.readexactly(10),
    "readline": lambda reader: reader.readline(),
    "readuntil": lambda reader: reader.readuntil(b"|"),
}


@pytest.mark.parametrize("second", READS)
@pytest.mark.parametrize("first", READS)
@pytest.mark.loops("asyncio")
async def test_second_read_raises_and_names_the_first(core: types.ModuleType, first: str, second: str) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    task = await start_task(READS[first](reader), name="reading")
    with pytest.raises(RuntimeError, match=rf"^{second}\(\) called while another coroutine .*: {first}\(\) of task "):
        await READS[second](reader)
    reader.feed_data(b"0123456789|\n")
    await task
    assert reader._sluiceway.operation is None


@pytest.mark.loops("asyncio")
async def test_message_names_the_reading_task(core: types.ModuleType) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    task = await start_task(reader.readline(), name="line reader")
    with pytest.raises(RuntimeError) as raised:
        await reader.read(1)
    assert str(raised.value) == (
        "read() called while another coroutine is already waiting for incoming data: readline() of task 'line reader'"
    )
    task.cancel()
    await run_iterations()


@pytest.mark.parametrize("read", READS)
@pytest.mark.loops("asyncio")
async def test_cancelled_read_releases_the_stream(core: types.ModuleType, read: str) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    task = await start_task(READS[read](reader))
    receiver = reader._sluiceway
    assert (receiver.operation, receiver.task, receiver.target_size) == (read, task, 10 if read == "readexactly" else 0)
    assert receiver.max_size == (10 if read == "read" else 0)
    task.cancel()
    await run_iterations()
    assert (receiver.future, receiver.operation, receiver.task, receiver.target_size, receiver.max_size) == (
        None,
        None,
        None,
        0,
        0,
    )


@pytest.mark.loops("asyncio")
async def test_woken_read_owns_the_stream_until_it_returns(core: types.ModuleType) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    task = await start_task(reader.read(10))
    reader.feed_data(b"data")
    assert reader._sluiceway.future is None
    with pytest.raises(RuntimeError, match="read"):
        await reader.readexactly(1)
    assert await task == b"data"


@pytest.mark.loops("asyncio")
async def test_reads_of_zero_bytes_do_not_raise_while_another_read_waits(core: types.ModuleType) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    reader.feed_data(b"data")
    task = await start_task(reader.readexactly(10))
    assert await reader.readexactly(0) == b""
    assert await reader.read(0) == b""
    task.cancel()
    await run_iterations()


class DeliveringTransport(CountingTransport):
    """Calls ``deliver`` in ``resume_reading()``, as a transport that has buffered bytes may."""

    def __init__(self, deliver: Callable[[], object]) -> None:
        super().__init__()
        self.deliver = deliver

    def resume_reading(self) -> None:
        super().resume_reading()
        self.deliver()


def fail() -> None:
    raise MemoryError


async def reading_task_with(core: types.ModuleType, deliver: Callable[[Any], object]) -> tuple[Any, asyncio.Task[Any]]:
    """Return a reader that has paused its transport, and a task that has begun to read more than is buffered."""
    reader = core.ReadOperations(10, asyncio.get_running_loop())
    reader.set_transport(DeliveringTransport(lambda: deliver(reader)))
    reader.feed_data(b"x" * 25)
    assert reader._paused
    return reader, await start_task(reader.readexactly(30))


@pytest.mark.loops("asyncio")
async def test_read_returns_bytes_that_resume_reading_delivers(core: types.ModuleType) -> None:
    _, task = await reading_task_with(core, lambda reader: reader.feed_data(b"y" * 5))
    await run_iterations()
    assert task.done()
    assert await task == b"x" * 25 + b"y" * 5


@pytest.mark.loops("asyncio")
async def test_read_ends_with_the_end_that_resume_reading_delivers(core: types.ModuleType) -> None:
    _, task = await reading_task_with(core, lambda reader: reader.feed_eof())
    await run_iterations()
    assert task.done()
    with pytest.raises(asyncio.IncompleteReadError):
        await task


@pytest.mark.loops("asyncio")
async def test_read_whose_resume_reading_raises_releases_the_stream(core: types.ModuleType) -> None:
    reader, task = await reading_task_with(core, lambda _: fail())
    with pytest.raises(MemoryError):
        await task
    assert (reader._sluiceway.future, reader._sluiceway.operation, reader._paused) == (None, None, True)
    assert await reader.read(1) == b"x"


def test_busy_error_for_an_assigned_waiter_names_a_read(core: types.ModuleType) -> None:
    """A program may assign StreamReader._waiter."""
    receiver = core.ReadOperations(100, None)._sluiceway
    with pytest.raises(RuntimeError, match=r"^readline\(\) called .* incoming data: a read$"):
        receiver.raise_busy("readline")


@pytest.mark.loops("asyncio")
async def test_complete_does_not_resolve_a_cancelled_future(core: types.ModuleType) -> None:
    receiver = core.ReadOperations(100, None)._sluiceway
    receiver.complete_wait()
    future = receiver.future = asyncio.get_running_loop().create_future()
    future.cancel()
    receiver.complete_wait()
    assert (receiver.future, future.cancelled()) == (None, True)


class FakeWaiter:
    """The waiter of a transport. A compiled Receiver takes compiled ones only."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self) -> "FakeWaiter":
        self.calls.append("begin")
        return self

    def end(self) -> None:
        self.calls.append("end")

    def wake_now(self) -> None:
        self.calls.append("wake_now")

    def set_result(self, result: object) -> None:
        self.calls.append("set_result")

    def done(self) -> bool:
        return False

    def reading_task(self) -> None:
        return None


@pytest.fixture
def receiver_with_waiter() -> Any:
    receiver = importlib.import_module("sluiceway._core.receiver").Receiver(100, None, False)
    receiver.source = FakeWaiter()
    return receiver


def test_begin_returns_the_waiter_of_the_transport(receiver_with_waiter: Any) -> None:
    assert receiver_with_waiter.enter_wait("read", None) is receiver_with_waiter.source
    receiver_with_waiter.end_wait()
    assert (receiver_with_waiter.source.calls, receiver_with_waiter.future, receiver_with_waiter.operation) == (
        ["begin", "end"],
        None,
        None,
    )


def test_wake_completes_the_waiter_immediately_and_once(receiver_with_waiter: Any) -> None:
    receiver_with_waiter.enter_wait("read", None)
    receiver_with_waiter.wake()
    receiver_with_waiter.wake()
    receiver_with_waiter.complete_wait()
    assert receiver_with_waiter.source.calls == ["begin", "wake_now"]


def test_complete_resolves_the_waiter_like_a_future(receiver_with_waiter: Any) -> None:
    receiver_with_waiter.enter_wait("read", None)
    receiver_with_waiter.complete_wait()
    assert receiver_with_waiter.source.calls == ["begin", "set_result"]


def test_wake_resolves_a_future_that_replaced_the_waiter(receiver_with_waiter: Any) -> None:
    other = FakeWaiter()
    receiver_with_waiter.future = other
    receiver_with_waiter.wake()
    assert (other.calls, receiver_with_waiter.source.calls) == (["set_result"], [])
