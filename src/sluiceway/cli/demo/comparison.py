"""A comparison of asyncio's streams and sluiceway's, which do the same work in turn, in one process.

Clients and server of a round use the same package and share the process, so the CPU time is that of both. The results
are valid only for this machine and its load during the comparison.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

from rich import box
from rich.table import Table

import sluiceway
from sluiceway.cli.demo.report import check
from sluiceway.cli.demo.service import LOOPBACK

LINE = b"x" * 255 + b"\n"
CLIENTS = 8
_CHUNK = 256 * 1024
_MIB = 1024 * 1024


class _Writer(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...
    async def wait_closed(self) -> None: ...


class _Reader(Protocol):
    async def read(self, n: int = -1) -> bytes: ...
    async def readline(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Streams:
    """The functions of one of the two packages, asyncio or sluiceway."""

    name: str
    open_connection: Callable[..., Awaitable[tuple[Any, Any]]]
    start_server: Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Size:
    """The amount of work of the comparison.

    Attributes:
        echoes: the number of lines that each client sends in a round.
        transfer_bytes: the number of bytes that one client sends in a round.
        rounds: the number of rounds that are measured for each package, without the warm-up round.
    """

    echoes: int
    transfer_bytes: int
    rounds: int


@dataclass(slots=True)
class Measurement:
    """The results of one package. Each list has one number per round."""

    messages_per_second: list[float] = field(default_factory=list)
    microseconds_per_message: list[float] = field(default_factory=list)
    mib_per_second: list[float] = field(default_factory=list)
    milliseconds_per_mib: list[float] = field(default_factory=list)


BOTH = (
    Streams("asyncio", asyncio.open_connection, asyncio.start_server),
    Streams("sluiceway", sluiceway.open_connection, sluiceway.start_server),
)


async def compare(size: Size) -> dict[str, Measurement]:
    """Measure both packages in turn, after one warm-up round for each. Return the results by name."""
    results = {streams.name: Measurement() for streams in BOTH}
    for number in range(size.rounds + 1):
        # The second implementation of a round has warm caches, so the order alternates.
        for streams in BOTH if number % 2 else reversed(BOTH):
            await _round(streams, size, results[streams.name] if number else Measurement())
    return results


async def _round(streams: Streams, size: Size, result: Measurement) -> None:
    gc.collect()
    async with _served(streams, _echo) as port:
        connections = [await streams.open_connection(LOOPBACK, port) for _ in range(CLIENTS)]
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_ask(reader, writer, size.echoes) for reader, writer in connections))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
    messages = CLIENTS * size.echoes
    result.messages_per_second.append(messages / wall)
    result.microseconds_per_message.append(cpu / messages * 1e6)

    async with _served(streams, _swallow) as port:
        reader, writer = await streams.open_connection(LOOPBACK, port)
        wall, cpu = time.perf_counter(), time.process_time()
        await _pour(reader, writer, size.transfer_bytes)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        writer.close()
        await writer.wait_closed()
    mib = size.transfer_bytes / _MIB
    result.mib_per_second.append(mib / wall)
    result.milliseconds_per_mib.append(cpu / mib * 1e3)


@asynccontextmanager
async def _served(streams: Streams, handler: Callable[[Any, Any], Awaitable[None]]) -> AsyncIterator[int]:
    handlers: list[asyncio.Task[None]] = []

    async def handle(reader: _Reader, writer: _Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async with await streams.start_server(handle, LOOPBACK, 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        except BaseException:
            # close() of the server waits for the handlers, which would wait for their clients without end.
            for task in handlers:
                task.cancel()
            raise
        # asyncio before 3.12 does not wait for its handlers when a server closes.
        await asyncio.gather(*handlers)


async def _echo(reader: _Reader, writer: _Writer) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def _ask(reader: _Reader, writer: _Writer, echoes: int) -> None:
    for _ in range(echoes):
        writer.write(LINE)
        await writer.drain()
        check(await reader.readline() == LINE, "every echoed line equals the line that was sent")


async def _swallow(reader: _Reader, writer: _Writer) -> None:
    total = int(await reader.readline())
    received = 0
    while received < total:
        chunk = await reader.read(_CHUNK)
        if not chunk:
            break
        received += len(chunk)
    writer.write(b"%d\n" % received)
    await writer.drain()


async def _pour(reader: _Reader, writer: _Writer, total: int) -> None:
    chunk = bytes(_CHUNK)
    writer.write(b"%d\n" % total)
    for start in range(0, total, _CHUNK):
        writer.write(chunk[: total - start])
        await writer.drain()
    check(int(await reader.readline()) == total, "every byte of the transfer arrived")


def table(results: dict[str, Measurement]) -> Table:
    """Return a table of the medians, and of the ratio of sluiceway to asyncio. It fits in 40 columns."""
    ours, theirs = results["sluiceway"], results["asyncio"]
    rows = [
        ("lines echoed per second", theirs.messages_per_second, ours.messages_per_second, "{:,.0f}"),
        ("CPU per line, us", theirs.microseconds_per_message, ours.microseconds_per_message, "{:.1f}"),
        ("MiB transferred per second", theirs.mib_per_second, ours.mib_per_second, "{:,.0f}"),
        ("CPU per MiB, ms", theirs.milliseconds_per_mib, ours.milliseconds_per_mib, "{:.2f}"),
    ]
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    drawn.add_column("", overflow="fold")
    for header in ("asyncio", "sluiceway", "ratio"):
        drawn.add_column(header, justify="right", no_wrap=True)
    for label, left, right, form in rows:
        asyncio_median, sluiceway_median = median(left), median(right)
        drawn.add_row(
            label,
            form.format(asyncio_median),
            form.format(sluiceway_median),
            f"{sluiceway_median / asyncio_median:.2f}" if asyncio_median else "-",
        )
    return drawn
