"""R1: cancelling or timing out any read takes nothing from the stream, at whatever moment it comes.

``exact``: whether the read was cancelled or came through, what it returned and what is left is what was fed.
"""

import asyncio
import itertools
import sys
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.scheduling import run_iterations, start_task

SEPARATORS = (b"||", b"\n")
READS: dict[str, tuple[Callable[[Any], Awaitable[bytes]], bytes]] = {
    "read(n)": (lambda r: r.read(100), b"0123456789\n"),
    "read(-1)": (lambda r: r.read(), b"0123456789\nafter\n"),
    "readexactly": (lambda r: r.readexactly(11), b"0123456789\n"),
    "readline": (lambda r: r.readline(), b"0123456789\n"),
    "readuntil": (lambda r: r.readuntil(b"9\n"), b"0123456789\n"),
    "readuntil a tuple": (lambda r: r.readuntil(SEPARATORS), b"0123456789\n"),
    "__anext__": (lambda r: r.__anext__(), b"0123456789\n"),
}
OLD = sys.version_info < (3, 13)
TUPLES = pytest.mark.reference_fails("S10", "no tuples of separators before 3.13", when=lambda _kind: OLD)
LOSES = pytest.mark.reference_fails("R1", "read(-1) loses what it has")


# Debug mode changes nothing of what a cancelled task does.
pytestmark = pytest.mark.loops("asyncio", "uvloop", "eager")

Fed = list[bytes]


async def before_any_data(reader: Any, fed: Fed) -> None:
    await run_iterations()


async def after_data_before_the_task_ran(reader: Any, fed: Fed) -> None:
    feed(reader, fed, b"0123456789\n")


async def after_a_part_before_the_task_ran(reader: Any, fed: Fed) -> None:
    feed(reader, fed, b"0123")


async def between_chunks(reader: Any, fed: Fed) -> None:
    feed(reader, fed, b"0123")
    await run_iterations()


async def after_several_chunks(reader: Any, fed: Fed) -> None:
    for byte in b"0123456789":
        feed(reader, fed, bytes([byte]))
        await run_iterations()


def feed(reader: Any, fed: Fed, data: bytes) -> None:
    reader.feed_data(data)
    fed.append(data)


MOMENTS = [
    before_any_data,
    after_data_before_the_task_ran,
    after_a_part_before_the_task_ran,
    between_chunks,
    after_several_chunks,
]
Moment = Callable[[Any, Fed], Awaitable[None]]


def marks(name: str, lossy: bool) -> list[pytest.MarkDecorator]:
    if name.endswith("tuple"):
        return [TUPLES]
    return [LOSES] if name == "read(-1)" and lossy else []


def every_read_at_every_moment(*lossy: Moment) -> pytest.MarkDecorator:
    """``lossy``: the moments at which asyncio's read(-1) has taken bytes already."""
    return pytest.mark.parametrize(
        ("name", "moment"),
        [
            pytest.param(name, moment, marks=marks(name, moment in lossy), id=f"{name} {moment.__name__}")
            for name, moment in itertools.product(READS, MOMENTS)
        ],
    )


async def outcome(task: "asyncio.Task[bytes]") -> bytes:
    """What the read returned; nothing if it was cancelled or timed out."""
    try:
        return await task
    except (asyncio.CancelledError, TimeoutError):
        return b""


async def exact(name: str, reader: Any, fed: Fed, got: bytes) -> None:
    """The same read, repeated, sees every byte from the first; then the end."""
    everything = b"0123456789\nafter\n"
    sent = b"".join(fed)
    assert everything.startswith(sent)
    reader.feed_data(everything[len(sent) :])
    reader.feed_eof()
    if not got:
        read, result = READS[name]
        again = await read(reader)
        assert again == (everything if name == "read(n)" and not got else result)
        got = again
    assert got + await reader.read() == everything


@every_read_at_every_moment(between_chunks, after_several_chunks)
async def test_cancelling_the_task_again_and_again(streams: types.ModuleType, name: str, moment: Moment) -> None:
    reader, fed = streams.StreamReader(), Fed()
    feed(reader, fed, b"")
    for _ in range(3):
        task = await start_task(READS[name][0](reader))
        task.cancel()
        assert await outcome(task) == b""
    task = await start_task(READS[name][0](reader))
    await moment(reader, fed)
    task.cancel()
    await exact(name, reader, fed, await outcome(task))


@every_read_at_every_moment(*MOMENTS[1:])
async def test_asyncio_timeout(streams: types.ModuleType, name: str, moment: Moment) -> None:
    reader, fed = streams.StreamReader(), Fed()
    loop = asyncio.get_running_loop()
    limits: list[asyncio.Timeout] = []

    async def read() -> bytes:
        async with asyncio.timeout(None) as limit:
            limits.append(limit)
            return await READS[name][0](reader)

    task = await start_task(read())
    await moment(reader, fed)
    if not task.done():
        limits[0].reschedule(loop.time())  # over now: one of the next turns cancels
    await exact(name, reader, fed, await outcome(task))


@every_read_at_every_moment(*(MOMENTS[1:] if sys.version_info < (3, 12) else MOMENTS[3:]))
async def test_wait_for_cancelled_from_outside(streams: types.ModuleType, name: str, moment: Moment) -> None:
    reader, fed = streams.StreamReader(), Fed()
    task = await start_task(asyncio.wait_for(READS[name][0](reader), 60))
    await run_iterations()
    await moment(reader, fed)
    task.cancel()
    await exact(name, reader, fed, await outcome(task))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param(name, part, marks=marks(name, bool(part)), id=f"{name} after {len(part)} bytes")
        for name, part in itertools.product(READS, [b"", b"0123", b"0123456789"])
        if name != "read(n)" or not part  # it returns a part
    ],
)
async def test_wait_for_timed_out(streams: types.ModuleType, name: str, part: bytes) -> None:
    reader, fed = streams.StreamReader(), Fed()
    feed(reader, fed, part)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(READS[name][0](reader), 0.001)
    await exact(name, reader, fed, b"")


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name, False)) for name in READS])
async def test_wait_for_no_time_at_all(streams: types.ModuleType, name: str) -> None:
    reader, fed = streams.StreamReader(), Fed()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(READS[name][0](reader), 0)
    await exact(name, reader, fed, b"")


@pytest.mark.parametrize("name", ["read(-1)", "readexactly"])
async def test_cancelled_when_the_end_had_come_but_the_task_had_not_run(streams: types.ModuleType, name: str) -> None:
    reader = streams.StreamReader()
    task = await start_task(READS[name][0](reader))
    reader.feed_data(b"part")
    reader.feed_eof()
    task.cancel()
    assert await outcome(task) == b""
    assert await reader.read() == b"part"
    assert reader.at_eof()


async def test_a_cancelled_iteration_goes_on_where_it_stopped(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    lines: list[bytes] = []

    async def collect() -> None:
        async for line in reader:
            lines.append(line)  # noqa: PERF401 - a comprehension would lose them

    task = await start_task(collect())
    reader.feed_data(b"one\ntw")
    await run_iterations()
    task.cancel()
    await outcome(task)  # type: ignore[arg-type]
    reader.feed_data(b"o\nthree")
    reader.feed_eof()
    await collect()
    assert lines == [b"one\n", b"two\n", b"three"]


async def test_a_generator_closed_while_it_waits_frees_the_stream(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    coroutine = reader.readexactly(5)
    coroutine.send(None)
    reader.feed_data(b"abc")
    coroutine.close()
    reader.feed_data(b"de")
    assert await reader.readexactly(5) == b"abcde"


async def test_of_two_reads_in_a_race_the_loser_takes_nothing(streams: types.ModuleType) -> None:
    """The usual idiom: a read and something else, whichever is first."""
    reader = streams.StreamReader()
    other = asyncio.Event()
    for round_number in range(5):
        read = asyncio.create_task(reader.readexactly(4))
        wait = asyncio.create_task(other.wait())
        await run_iterations()
        other.set()
        reader.feed_data(b"%d" % round_number)
        await asyncio.wait({read, wait}, return_when=asyncio.FIRST_COMPLETED)
        read.cancel()
        await run_iterations()
        other.clear()
        if not read.cancelled():
            assert read.result() == b"0123"
            break
    assert await reader.read(9) == b"4" if read.cancelled() else True
