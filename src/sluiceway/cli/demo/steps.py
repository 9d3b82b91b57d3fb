"""The steps of the demonstration, in order: each talks to a server and checks every byte that comes back."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

import sluiceway
from sluiceway.cli.demo.handlers import CHUNK, LENGTH_BYTES, echo_frames, echo_lines, serve_http, take_transfer
from sluiceway.cli.demo.report import Report, check
from sluiceway.cli.demo.service import LOOPBACK, Door, Place, Service, visit
from sluiceway.cli.headers import fetch_all
from sluiceway.cli.target import parse

_MIB = 1024 * 1024
_HEADERS_TIMEOUT = 10.0
_VISITORS = 5
# The same numbers on every run: a failure can be repeated.
_SEED = 20


@dataclass(slots=True)
class Demo:
    """What a step needs.

    Attributes:
        place: where its servers live.
        report: where it says what it did.
        transfer_bytes: size of the transfer.
    """

    place: Place
    report: Report
    transfer_bytes: int


async def ask_for_headers(demo: Demo) -> None:
    """``sluiceway headers`` against a server of our own."""
    service = Service("http", serve_http)
    async with service.everywhere(demo.place) as doors:
        targets = [parse(door.url) for door in doors]
        outcomes = fetch_all(targets, timeout=_HEADERS_TIMEOUT, context=demo.place.identity.client)
        async with aclosing(outcomes):
            async for outcome in outcomes:
                demo.report.say(f"$ sluiceway headers {outcome.target.url}")
                for line in outcome.lines:
                    demo.report.say(f"HTTP header> {line}")
                check(outcome.failure is None, f"headers answered: {outcome.failure}")
                check(outcome.lines[:1] == ["HTTP/1.1 200 OK"], f"status 200 expected, got {outcome.lines[:1]}")
    check(service.finished == len(targets), f"{len(targets)} requests expected, {service.finished} served")


async def talk_in_lines(demo: Demo) -> None:
    """write, drain and readline."""
    lines = [b"%d %s\n" % (number, b"drop " * (number % 40)) for number in range(200)]
    async with Service("lines", echo_lines).everywhere(demo.place) as doors:
        for door in doors:
            async with visit(door.connect()) as (reader, writer):
                for line in lines:
                    writer.write(line)
                    await writer.drain()
                    echoed = await reader.readline()
                    check(echoed == line, f"over {door.label}: sent {line!r}, got {echoed!r}")
            demo.report.say(f"{door.label}: {len(lines)} lines sent, every echo is the line")


async def talk_in_frames(demo: Demo) -> None:
    """readexactly, with a length of four bytes before each message."""
    randomness = random.Random(_SEED)
    frames = [randomness.randbytes(size) for size in (1, 2, 255, 4096, 65_535, 65_536, 65_537, 1_000_000)]
    async with Service("frames", echo_frames).everywhere(demo.place) as doors:
        for door in doors:
            async with visit(door.connect()) as (reader, writer):
                for frame in frames:
                    writer.writelines([len(frame).to_bytes(LENGTH_BYTES, "big"), frame])
                    await writer.drain()
                    size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                    check(size == len(frame), f"over {door.label}: a frame of {len(frame)} bytes, {size} announced")
                    check(await reader.readexactly(size) == frame, f"over {door.label}: the frame of {size} bytes")
                writer.write(bytes(LENGTH_BYTES))
                check(await reader.readexactly(LENGTH_BYTES) == bytes(LENGTH_BYTES), "the last frame is empty")
            demo.report.say(f"{door.label}: {len(frames)} frames of 1 byte to {len(frames[-1]):,} bytes, all exact")


async def transfer(demo: Demo) -> None:
    """Many bytes, and a checksum at both ends."""
    async with Service("transfer", take_transfer).everywhere(demo.place) as doors:
        for door in doors:
            await _transfer_through(door, demo)


async def _transfer_through(door: Door, demo: Demo) -> None:
    block = random.Random(_SEED).randbytes(CHUNK)
    digest = hashlib.sha256()
    total = demo.transfer_bytes
    async with visit(door.connect()) as (reader, writer):
        began = time.perf_counter()
        writer.write(total.to_bytes(LENGTH_BYTES, "big"))
        with demo.report.progress(door.label, total) as bar:
            for start in range(0, total, CHUNK):
                # The offset in front makes every chunk another one: a swapped or repeated chunk changes the checksum.
                chunk = (start.to_bytes(8, "big") + block)[: min(CHUNK, total - start)]
                digest.update(chunk)
                writer.write(chunk)
                await writer.drain()
                bar.advance(len(chunk))
            writer.write(digest.digest())
            await writer.drain()
            answer = (await reader.readline()).decode("ascii").split()
        seconds = time.perf_counter() - began
        check(answer == ["ok", digest.hexdigest()], f"over {door.label}: sent {digest.hexdigest()}, answer {answer}")
    demo.report.say(
        f"{door.label}: {total / _MIB:g} MiB in {seconds:.2f} s, SHA-256 {digest.hexdigest()[:16]}... at both ends"
    )


async def cancel_reads(demo: Demo) -> None:
    """A read is cancelled in the middle of a message, another times out; the next one gets all of it."""
    message = random.Random(_SEED).randbytes(1000)
    half = len(message) // 2
    rest_may_come = asyncio.Event()

    async def send_in_halves(_reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.write(message[:half])
        await rest_may_come.wait()
        writer.write(message[half:])
        await writer.drain()

    async with Service("halves", send_in_halves).everywhere(demo.place) as doors:
        for name, read in _cancelled_reads(len(message) - 1):
            for door in doors:
                rest_may_come.clear()
                async with visit(door.connect()) as (reader, _writer):
                    try:
                        # The first byte is proof that the first half has arrived, which came in one piece.
                        first = await reader.readexactly(1)
                        await _cancel_once_waiting(read(reader), door)
                        await _time_out(read(reader), door)
                    finally:
                        rest_may_come.set()
                    whole = first + await read(reader)
                    check(
                        whole == message,
                        f"over {door.label}: {name} was interrupted twice, then brought {len(whole)} bytes of "
                        f"{len(message)}",
                    )
            demo.report.say(f"{name}: cancelled, then timed out after {half} of {len(message)} bytes, then all there")


def _cancelled_reads(count: int) -> list[tuple[str, Callable[[sluiceway.StreamReader], Awaitable[bytes]]]]:
    return [
        (f"readexactly({count})", lambda reader: reader.readexactly(count)),
        # The one that asyncio's streams lose everything of.
        ("read(-1)", lambda reader: reader.read(-1)),
    ]


async def _cancel_once_waiting(read: Awaitable[bytes], door: Door) -> None:
    task = asyncio.ensure_future(read)
    # Its first step takes what has arrived and then waits for what has not been sent.
    await asyncio.sleep(0)
    check(not task.done(), f"over {door.label}: a read of what was never sent has ended")
    task.cancel()
    await asyncio.wait([task])
    check(task.cancelled(), f"over {door.label}: a cancelled read ended otherwise")


async def _time_out(read: Awaitable[bytes], door: Door) -> None:
    try:
        # No race: the server sends nothing before it is told to.
        await asyncio.wait_for(read, 0.01)
    except TimeoutError:
        return
    check(False, f"over {door.label}: a read of what was never sent has ended")


async def stop_gracefully(demo: Demo) -> None:
    """close() stops accepting; wait_closed() returns when the last conversation is over."""
    service = Service("visitors", echo_lines)
    async with AsyncExitStack() as stack:
        # A check may fail before close() is called below.
        server = await stack.enter_async_context(await sluiceway.start_server(service.handle, LOOPBACK, 0))
        port = server.sockets[0].getsockname()[1]
        visitors = [
            await stack.enter_async_context(visit(sluiceway.open_connection(LOOPBACK, port))) for _ in range(_VISITORS)
        ]
        for reader, writer in visitors:
            writer.write(b"good evening\n")
            check(await reader.readline() == b"good evening\n", "the visitors are served")
        server.close()
        stopped = asyncio.ensure_future(server.wait_closed())
        demo.report.say(f"{service.opened} conversations under way; close()")
        try:
            await sluiceway.open_connection(LOOPBACK, port)
            check(False, "a closed server has accepted a connection")
        except ConnectionRefusedError:
            demo.report.say("a new connection is refused")
        for reader, writer in visitors:
            writer.write(b"good night\n")
            check(await reader.readline() == b"good night\n", "conversations go on after close()")
        check(not stopped.done(), "wait_closed() has not waited for the conversations")
        demo.report.say(f"{_VISITORS} conversations go on, wait_closed() waits")
    await stopped
    check(service.finished == _VISITORS, f"{_VISITORS} handlers expected to finish, {service.finished} did")
    demo.report.say(f"wait_closed() returned: {service.opened} served, {service.finished} handlers finished")


STEPS: list[tuple[str, Callable[[Demo], Awaitable[None]]]] = [
    ("Headers, over TCP, TLS and a Unix socket", ask_for_headers),
    ("Lines", talk_in_lines),
    ("Frames", talk_in_frames),
    ("Transfer", transfer),
    ("A cancelled read loses nothing", cancel_reads),
    ("A graceful stop", stop_gracefully),
]
