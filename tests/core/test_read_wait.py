"""One read at a time owns a stream, by name, from its first wait to its end (contract R9)."""

import asyncio
import importlib
import types
from typing import Any

import pytest

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
    assert reader._sluiceway.wait.operation is None


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
async def test_stream_is_released_by_a_cancelled_read(core: types.ModuleType, read: str) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    task = await start_task(READS[read](reader))
    wait = reader._sluiceway.wait
    assert (wait.operation, wait.task, wait.target_size) == (read, task, 10 if read == "readexactly" else 0)
    assert wait.max_size == (10 if read == "read" else 0)
    task.cancel()
    await run_iterations()
    assert (wait.future, wait.operation, wait.task, wait.target_size, wait.max_size) == (None, None, None, 0, 0)


@pytest.mark.loops("asyncio")
async def test_stream_is_owned_until_the_woken_read_has_returned(core: types.ModuleType) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    task = await start_task(reader.read(10))
    reader.feed_data(b"data")
    assert reader._sluiceway.wait.future is None
    with pytest.raises(RuntimeError, match="read"):
        await reader.readexactly(1)
    assert await task == b"data"


@pytest.mark.loops("asyncio")
async def test_empty_reads_are_not_refused(core: types.ModuleType) -> None:
    reader = core.ReadOperations(100, asyncio.get_running_loop())
    reader.feed_data(b"data")
    task = await start_task(reader.readexactly(10))
    assert await reader.readexactly(0) == b""
    assert await reader.read(0) == b""
    task.cancel()
    await run_iterations()


def test_wait_without_an_operation_is_called_a_read(core: types.ModuleType) -> None:
    """A program may assign StreamReader._waiter."""
    wait = core.ReadOperations(100, None)._sluiceway.wait
    with pytest.raises(RuntimeError, match=r"^readline\(\) called .* incoming data: a read$"):
        wait.raise_busy("readline")


@pytest.mark.loops("asyncio")
async def test_complete_leaves_a_future_that_is_done(core: types.ModuleType) -> None:
    wait = core.ReadOperations(100, None)._sluiceway.wait
    wait.complete()
    future = wait.future = asyncio.get_running_loop().create_future()
    future.cancel()
    wait.complete()
    assert (wait.future, future.cancelled()) == (None, True)


class FakeSource:
    """The waiter of a transport. A compiled ReadWait takes compiled ones only."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def begin(self) -> "FakeSource":
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
def sourced_wait() -> Any:
    wait = importlib.import_module("sluiceway._core.read_wait").ReadWait()
    wait.source = FakeSource()
    return wait


def test_source_replaces_the_future_of_the_loop(sourced_wait: Any) -> None:
    assert sourced_wait.begin("read", None) is sourced_wait.source
    sourced_wait.end()
    assert (sourced_wait.source.calls, sourced_wait.future, sourced_wait.operation) == (["begin", "end"], None, None)


def test_complete_now_wakes_the_source_at_once_and_only_once(sourced_wait: Any) -> None:
    sourced_wait.begin("read", None)
    sourced_wait.complete_now()
    sourced_wait.complete_now()
    sourced_wait.complete()
    assert sourced_wait.source.calls == ["begin", "wake_now"]


def test_complete_resolves_the_source_like_a_future(sourced_wait: Any) -> None:
    sourced_wait.begin("read", None)
    sourced_wait.complete()
    assert sourced_wait.source.calls == ["begin", "set_result"]


def test_complete_now_completes_a_future_that_is_not_the_source(sourced_wait: Any) -> None:
    other = FakeSource()
    sourced_wait.future = other
    sourced_wait.complete_now()
    assert (other.calls, sourced_wait.source.calls) == (["set_result"], [])
