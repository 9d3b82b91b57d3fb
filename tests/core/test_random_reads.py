"""R1, R2: random sequences of arrivals, reads and cancellations lose, repeat and reorder no byte."""

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fake_transports import CountingTransport
from support.scheduling import run_iterations

LIMIT = 8
CHUNKS = st.text("ab|\r\n", min_size=1, max_size=15).map(str.encode)
SEPARATORS = (b"|", b"\r\n", b"ab")
READS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 20)),
    st.tuples(st.just("readexactly"), st.integers(0, 30)),
    st.tuples(st.just("readuntil"), st.sampled_from([b"\n", b"ab", SEPARATORS])),
    st.tuples(st.just("readline")),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), CHUNKS),
        READS,
        st.sampled_from([("turn",), ("cancel",), ("cancel and turn",)]),
    ),
    max_size=40,
)


class Reading:
    """A reader with at most one pending read. ``out``: what the reads returned, without what readline() discarded."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.out = b""
        self.task: asyncio.Task[bytes] | None = None
        self.asked: tuple[Any, ...] = ()
        self.dropped = False

    def look(self) -> None:
        task = self.task
        if task is None or not task.done():
            return
        self.task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self.out += task.result()
            self.check(task.result())
        elif isinstance(error, asyncio.IncompleteReadError):
            self.out += error.partial
        elif isinstance(error, ValueError) and self.asked[0] == "readline":
            self.dropped = True
        elif not isinstance(error, asyncio.LimitOverrunError):
            assert isinstance(error, ConnectionError)

    def check(self, result: bytes) -> None:
        """Check the result of a read before EOF."""
        if self.asked[0] == "readexactly":
            assert len(result) == self.asked[1]
        elif self.asked[0] == "readuntil":
            separators = self.asked[1] if isinstance(self.asked[1], tuple) else (self.asked[1],)
            assert result.endswith(separators)
            assert not any(one in result[:-1] for one in separators), "a shorter record was there"
        elif self.asked[0] == "read" and self.asked[1] > 0:
            assert 0 < len(result) <= self.asked[1]


@contextlib.asynccontextmanager
async def reading_from(core: types.ModuleType) -> AsyncIterator[Reading]:
    reader = core.ReadOperations(LIMIT, asyncio.get_running_loop())
    reader.set_transport(CountingTransport())
    reading = Reading(reader)
    try:
        yield reading
    finally:
        if reading.task is not None:
            reading.task.cancel()
            await run_iterations()


async def run_steps(reading: Reading, steps: list[tuple[Any, ...]]) -> bytes:
    """Run the steps; return the bytes that were fed."""
    fed = b""
    for name, *arguments in steps:
        if name == "feed":
            reading.reader.feed_data(*arguments)
            fed += arguments[0]
        elif name == "turn":
            await run_iterations()
        elif name.startswith("cancel"):
            if reading.task is not None:
                reading.task.cancel()
                if name == "cancel and turn":
                    await run_iterations()
        elif reading.task is None:
            reading.asked = (name, *arguments)
            reading.task = asyncio.create_task(getattr(reading.reader, name)(*arguments))
        reading.look()
        if reading.dropped:
            break
    return fed


@pytest.mark.loops("asyncio", "eager")
@settings(max_examples=200)
@given(steps=STEPS)
async def test_random_reads_and_cancellations_lose_no_bytes(core: types.ModuleType, steps: list[Any]) -> None:
    """R1: a cancelled read leaves its bytes to the next read."""
    async with reading_from(core) as reading:
        fed = await run_steps(reading, steps)
        if reading.dropped:
            return  # readline() discards an over-long line, as in asyncio
        if reading.task is not None:
            reading.task.cancel()
            await run_iterations()
            reading.look()
        reading.reader.feed_eof()
        rest = await reading.reader.read(-1)
        assert reading.out + rest == fed
        assert reading.reader.at_eof()


@pytest.mark.loops("asyncio", "eager")
@settings(max_examples=100)
@given(steps=STEPS)
async def test_connection_lost_is_raised_after_all_buffered_bytes(core: types.ModuleType, steps: list[Any]) -> None:
    """R2: a lost connection is reported after the buffered data has been read."""
    async with reading_from(core) as reading:
        fed = await run_steps(reading, steps)
        lost = ConnectionResetError("lost")
        reading.reader._sluiceway.lost(lost)
        assert reading.reader.exception() is lost
        await run_iterations()
        reading.look()
        assert reading.task is None, "a read that waits ends with the connection"
        if reading.dropped:
            return
        rest = b""
        with pytest.raises(ConnectionResetError) as raised:
            while True:
                rest += await reading.reader.read(3)
        assert raised.value.args == lost.args
        assert reading.out + rest == fed
