"""The same operations on the core's reader and on asyncio's give the same results, exceptions and messages.

Not compared, because a contract differs: a cancelled read(-1), which loses data in asyncio (R1); the message of a
second read (R9); a read that was woken before set_exception() and needs more data, which never completes in asyncio;
tuples of separators before Python 3.13; when the transport pauses, since a pending readexactly() raises the bound here
(R3); the messages for invalid arguments.
"""

import asyncio
import sys
import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fake_transports import CountingTransport
from support.memory_usage import buffered_size
from support.scheduling import run_iterations

LIMITS = st.sampled_from([1, 2, 5, 8, 40, 65536])
DATA = st.one_of(st.text("ab\n", max_size=12), st.text("x-|\r\n", max_size=30)).map(str.encode)
SEPARATORS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([b"\n", b"ab", b"aab", b"--x", b"\r\n", b"abab"]),
    st.text("ab", min_size=1, max_size=5).map(str.encode),
)
if sys.version_info >= (3, 13):
    SEPARATORS = st.one_of(SEPARATORS, st.lists(SEPARATORS, min_size=1, max_size=3).map(tuple))

READS = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 20)),
    st.tuples(st.just("read"), st.just(-1)),
    st.tuples(st.just("readexactly"), st.integers(0, 20)),
    st.tuples(st.just("readuntil"), SEPARATORS),
    st.tuples(st.just("readline")),
    st.tuples(st.just("__anext__")),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed_data"), DATA),
        st.tuples(st.just("feed_data"), DATA),
        READS,
        READS,
        st.sampled_from([("cancel",), ("feed_eof",), ("turn",), ("turn",), ("set_exception",)]),
    ),
    max_size=25,
)


class Side:
    """One of the two readers, its transport, and its pending read."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.transport = CountingTransport()
        reader.set_transport(self.transport)
        self.task: asyncio.Task[Any] | None = None
        self.greedy = False
        self.results: list[Any] = []

    def begin(self, name: str, *arguments: Any) -> None:
        self.greedy = arguments == (-1,)
        self.task = asyncio.create_task(getattr(self.reader, name)(*arguments))

    @property
    def waits(self) -> bool:
        return self.task is not None and not self.task.done()

    def look(self) -> None:
        """Record the result of the read, if it is done."""
        if self.task is None or not self.task.done():
            return
        if self.task.cancelled():
            self.results.append("cancelled")
        elif (error := self.task.exception()) is not None:
            arguments = error.args
            if isinstance(error, asyncio.LimitOverrunError) or type(error) is ValueError:
                # asyncio's message, followed by the limit.
                arguments = (str(error).partition(": ")[0],)
            self.results.append(
                (type(error), arguments, getattr(error, "partial", None), getattr(error, "consumed", None))
            )
        else:
            self.results.append(self.task.result())
        self.task = None
        self.greedy = False


class Pair:
    """The two readers; each step applies to both."""

    def __init__(self, core: types.ModuleType, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.ours, self.theirs = Side(core.ReadOperations(limit, loop)), Side(asyncio.StreamReader(limit, loop))
        self.sides = self.ours, self.theirs
        self.ended = False
        self.error = ConnectionError("gone")

    @property
    def idle(self) -> bool:
        return self.ours.task is None

    async def step(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "turn":
            await run_iterations()
            assert not (self.ours.transport.paused and self.ours.waits), "the read would never complete"
        elif name == "cancel":
            await self.cancel()
        elif name == "feed_eof" or (name == "feed_data" and not self.ended) or (name == "set_exception" and self.idle):
            for side in self.sides:
                getattr(side.reader, name)(*arguments or ((self.error,) if name == "set_exception" else ()))
            self.ended = self.ended or name == "feed_eof"
        elif name.startswith(("read", "__")) and self.idle:
            for side in self.sides:
                side.begin(name, *arguments)
            await run_iterations(1)
        self.look()

    async def cancel(self) -> None:
        for side in self.sides:
            if side.task is not None and not side.greedy:
                side.task.cancel()
        await run_iterations()

    def look(self) -> None:
        for side in self.sides:
            side.look()
        ours, theirs = self.sides
        if self.idle and buffered_size(ours.reader) > 2 * ours.reader._limit and not self.ended:
            assert ours.transport.paused, "R3"
        assert ours.results == theirs.results
        assert (ours.task is None) == (theirs.task is None)
        assert ours.reader.exception() is theirs.reader.exception()
        if not ours.greedy:  # asyncio's read(-1) takes bytes before it returns them
            assert ours.reader.at_eof() == theirs.reader.at_eof()
            assert ours.reader._sluiceway.buffer.size() == len(theirs.reader._buffer)


@pytest.mark.loops("asyncio", "eager")
@settings(max_examples=250)
@given(steps=STEPS, limit=LIMITS)
async def test_random_operations_give_the_results_of_asyncio(
    core: types.ModuleType, steps: list[Any], limit: int
) -> None:
    pair = Pair(core, limit)
    try:
        for name, *arguments in steps:
            await pair.step(name, tuple(arguments))
        await pair.step("feed_eof", ())
        await pair.step("turn", ())
        assert pair.idle
        assert pair.ours.reader._sluiceway.buffer.take_all() == pair.theirs.reader._buffer
    finally:
        for side in pair.sides:
            side.greedy = False
        await pair.cancel()
