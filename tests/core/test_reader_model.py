"""R1, R2: whatever is fed, read and cancelled in whatever order, the bytes that come out are the bytes that went in."""

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
    """A reader with at most one read waiting; what its reads returned is in ``out``, what readline dropped is not."""

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
        """What each read promises of what it returns; nothing was at its end when this is called."""
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


async def play(reading: Reading, steps: list[tuple[Any, ...]]) -> bytes:
    """Take the steps; return what was fed."""
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
async def test_reads_and_cancels_lose_nothing_and_keep_the_order(core: types.ModuleType, steps: list[Any]) -> None:
    """R1"""
    async with reading_from(core) as reading:
        fed = await play(reading, steps)
        if reading.dropped:
            return  # readline clears what is too long, as in asyncio: no more is to be asked of the rest
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
async def test_a_lost_connection_tells_after_the_bytes(core: types.ModuleType, steps: list[Any]) -> None:
    """R2"""
    async with reading_from(core) as reading:
        fed = await play(reading, steps)
        lost = ConnectionResetError("lost")
        reading.reader._sluiceway.lost(lost)
        assert reading.reader.exception() is lost
        await run_iterations()
        reading.look()
        assert reading.task is None, "a read that waits ends with the connection"
        if reading.dropped:
            return
        rest = b""
        with pytest.raises(ConnectionResetError) as told:
            while True:
                rest += await reading.reader.read(3)
        assert told.value is lost
        assert reading.out + rest == fed
