"""R1: a cancelled or timed-out read takes nothing from the stream, at whatever moment it is cancelled.

``check_no_byte_lost``: what the read returned, if it was not cancelled, and what is left are together what was fed.
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
    "readuntil(tuple)": (lambda r: r.readuntil(SEPARATORS), b"0123456789\n"),
    "__anext__": (lambda r: r.__anext__(), b"0123456789\n"),
}
NO_TUPLES = sys.version_info < (3, 13)
tuple_reference_fails = pytest.mark.reference_fails(
    "S10", "no tuples of separators before 3.13", when=lambda _kind: NO_TUPLES
)
loses_bytes = pytest.mark.reference_fails("R1", "read(-1) loses what it has")


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


def reference_marks(name: str, lossy: bool) -> list[pytest.MarkDecorator]:
    if name == "readuntil(tuple)":
        return [tuple_reference_fails]
    return [loses_bytes] if name == "read(-1)" and lossy else []


def every_read_at_every_moment(*lossy: Moment) -> pytest.MarkDecorator:
    """Parametrize reads and moments; ``lossy`` are the moments at which asyncio's read(-1) has taken bytes already."""
    return pytest.mark.parametrize(
        ("name", "moment"),
        [
            pytest.param(name, moment, marks=reference_marks(name, moment in lossy), id=f"{name} {moment.__name__}")
            for name, moment in itertools.product(READS, MOMENTS)
        ],
    )


async def outcome(task: "asyncio.Task[bytes]") -> bytes:
    """Return what the read returned, or b"" if it was cancelled or timed out."""
    try:
        return await task
    except (asyncio.CancelledError, TimeoutError):
        return b""


async def check_no_byte_lost(name: str, reader: Any, fed: Fed, returned: bytes) -> None:
    """Check that the same read, repeated, returns all bytes from the first on, then the end."""
    everything = b"0123456789\nafter\n"
    sent = b"".join(fed)
    assert everything.startswith(sent)
    reader.feed_data(everything[len(sent) :])
    reader.feed_eof()
    if not returned:
        read, result = READS[name]
        again = await read(reader)
        assert again == (everything if name == "read(n)" and not returned else result)
        returned = again
    assert returned + await reader.read() == everything


@every_read_at_every_moment(between_chunks, after_several_chunks)
async def test_repeatedly_cancelled_read_loses_no_byte(streams: types.ModuleType, name: str, moment: Moment) -> None:
    reader, fed = streams.StreamReader(), Fed()
    feed(reader, fed, b"")
    for _ in range(3):
        task = await start_task(READS[name][0](reader))
        task.cancel()
        assert await outcome(task) == b""
    task = await start_task(READS[name][0](reader))
    await moment(reader, fed)
    task.cancel()
    await check_no_byte_lost(name, reader, fed, await outcome(task))


@every_read_at_every_moment(*MOMENTS[1:])
async def test_read_timed_out_by_asyncio_timeout_loses_no_byte(
    streams: types.ModuleType, name: str, moment: Moment
) -> None:
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
        limits[0].reschedule(loop.time())  # expired: one of the next iterations cancels
    await check_no_byte_lost(name, reader, fed, await outcome(task))


@every_read_at_every_moment(*(MOMENTS[1:] if sys.version_info < (3, 12) else MOMENTS[3:]))
async def test_cancelled_wait_for_of_read_loses_no_byte(streams: types.ModuleType, name: str, moment: Moment) -> None:
    reader, fed = streams.StreamReader(), Fed()
    task = await start_task(asyncio.wait_for(READS[name][0](reader), 60))
    await run_iterations()
    await moment(reader, fed)
    task.cancel()
    await check_no_byte_lost(name, reader, fed, await outcome(task))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param(name, part, marks=reference_marks(name, bool(part)), id=f"{name} after {len(part)} bytes")
        for name, part in itertools.product(READS, [b"", b"0123", b"0123456789"])
        if name != "read(n)" or not part  # it returns a part of the data
    ],
)
async def test_read_timed_out_by_wait_for_loses_no_byte(streams: types.ModuleType, name: str, part: bytes) -> None:
    reader, fed = streams.StreamReader(), Fed()
    feed(reader, fed, part)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(READS[name][0](reader), 0.001)
    await check_no_byte_lost(name, reader, fed, b"")


@pytest.mark.parametrize("name", [pytest.param(name, marks=reference_marks(name, False)) for name in READS])
async def test_read_with_zero_timeout_loses_no_byte(streams: types.ModuleType, name: str) -> None:
    reader, fed = streams.StreamReader(), Fed()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(READS[name][0](reader), 0)
    await check_no_byte_lost(name, reader, fed, b"")


@pytest.mark.parametrize("name", ["read(-1)", "readexactly"])
async def test_read_cancelled_after_eof_before_task_resumes_keeps_bytes(streams: types.ModuleType, name: str) -> None:
    reader = streams.StreamReader()
    task = await start_task(READS[name][0](reader))
    reader.feed_data(b"part")
    reader.feed_eof()
    task.cancel()
    assert await outcome(task) == b""
    assert await reader.read() == b"part"
    assert reader.at_eof()


async def test_cancelled_iteration_continues_at_next_line(streams: types.ModuleType) -> None:
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


async def test_closed_coroutine_of_waiting_read_keeps_bytes(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    coroutine = reader.readexactly(5)
    coroutine.send(None)
    reader.feed_data(b"abc")
    coroutine.close()
    reader.feed_data(b"de")
    assert await reader.readexactly(5) == b"abcde"


async def test_read_cancelled_by_first_completed_wait_keeps_bytes(streams: types.ModuleType) -> None:
    reader = streams.StreamReader()
    other = asyncio.Event()
    for round_number in range(4):
        read = asyncio.create_task(reader.readexactly(4))
        wait = asyncio.create_task(other.wait())
        await run_iterations()
        other.set()
        reader.feed_data(b"%d" % round_number)
        await asyncio.wait({read, wait}, return_when=asyncio.FIRST_COMPLETED)
        read.cancel()
        await run_iterations()
        other.clear()
        assert read.cancelled() == (round_number < 3)
    assert read.result() == b"0123"
