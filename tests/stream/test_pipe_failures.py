"""Descriptors of pipe() that are shared, or of an unusual kind, and protocols that fail."""

import asyncio
import os
import sys
from typing import Any

import pytest

import sluiceway
from support.scheduling import run_iterations, start_task, wait_until


class RecordsEnd(asyncio.BaseProtocol):
    """Records the argument of connection_lost()."""

    lost_with: list[BaseException | None]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with = [exc]


class FailsToTake(RecordsEnd, asyncio.Protocol):
    """Raises MemoryError for received data."""

    def data_received(self, data: bytes) -> None:
        raise MemoryError


class FailsToProvideMemory(RecordsEnd, asyncio.BufferedProtocol):
    """Raises MemoryError before data is received."""

    def get_buffer(self, sizehint: int) -> Any:
        raise MemoryError


@pytest.mark.parametrize("failing", [FailsToTake, FailsToProvideMemory])
async def test_failure_while_data_is_received_ends_pipe_with_one_report(
    failing: type[FailsToTake | FailsToProvideMemory], loop_errors: list[dict[str, Any]]
) -> None:
    """A stream that continued would have a gap, or the same event would repeat without end."""
    reading, writing = os.pipe()
    stream = await sluiceway.pipe(reading)
    transport = stream.reader._transport
    streams = transport.get_protocol()
    protocol = failing()
    transport.set_protocol(protocol)
    os.write(writing, b"lost")
    await wait_until(lambda: loop_errors)
    await run_iterations()
    assert [type(context["exception"]) for context in loop_errors] == [MemoryError]
    assert [type(error) for error in protocol.lost_with] == [MemoryError]
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    os.close(writing)
    loop_errors.clear()
    streams.connection_lost(None)
    await stream.aclose()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has eventfd")
async def test_descriptor_that_is_not_a_pipe_is_read_when_it_is_ready() -> None:
    """An eventfd without a value would block a read, as a pipe does."""
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)
    async with sluiceway.pipe(descriptor) as stream:
        reading = await start_task(stream.read_exactly(8))
        await run_iterations()
        os.eventfd_write(descriptor, 7)
        assert int.from_bytes(await reading, sys.byteorder) == 7


@pytest.mark.parametrize("end", ["reading", "writing"])
async def test_pipe_that_another_process_made_blocking_is_never_used_so(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a write to a full pipe stops the loop until the peer reads."""
    used_blocking = []

    def watch(name: str) -> None:
        call = getattr(os, name)

        def record_and_call(descriptor: int, data: Any) -> int:
            used_blocking.append(os.get_blocking(descriptor))
            return call(descriptor, data)  # type: ignore[no-any-return]

        monkeypatch.setattr(os, name, record_and_call)

    reading, writing = os.pipe()
    ours, other = (reading, writing) if end == "reading" else (writing, reading)
    async with sluiceway.pipe(ours) as stream:
        os.set_blocking(ours, True)
        if end == "reading":
            os.write(other, b"data")
            watch("readv")
            assert await stream.read(10) == b"data"
        else:
            watch("write")
            await stream.send(b"data")
            assert os.read(other, 10) == b"data"
    assert set(used_blocking) == {False}
    os.close(other)
