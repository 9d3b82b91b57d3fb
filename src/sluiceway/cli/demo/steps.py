"""The steps of the demonstration. Each step exchanges data with a server and checks the result."""

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
from sluiceway.cli.demo.service import LOOPBACK, Address, Resources, Service, client
from sluiceway.cli.headers import fetch_all
from sluiceway.cli.target import parse

_MIB = 1024 * 1024
_HEADERS_TIMEOUT = 10.0
_CLIENTS = 5
# A fixed seed makes failures reproducible.
_SEED = 20


@dataclass(slots=True)
class Demo:
    """The arguments of a step.

    Attributes:
        resources: the directory and the TLS contexts for the servers of the step.
        report: prints the output.
        transfer_bytes: the number of bytes of the transfer step, for each kind of socket.
    """

    resources: Resources
    report: Report
    transfer_bytes: int


async def ask_for_headers(demo: Demo) -> None:
    """Request the headers of local servers, as ``sluiceway headers`` does."""
    service = Service("http", serve_http)
    async with service.serve(demo.resources) as addresses:
        targets = [parse(address.url) for address in addresses]
        outcomes = fetch_all(targets, timeout=_HEADERS_TIMEOUT, context=demo.resources.identity.client)
        async with aclosing(outcomes):
            async for outcome in outcomes:
                demo.report.say(f"$ sluiceway headers {outcome.target.url}")
                for line in outcome.lines:
                    demo.report.say(f"HTTP header> {line}")
                check(outcome.failure is None, f"the request succeeds; it failed with: {outcome.failure}")
                check(outcome.lines[:1] == ["HTTP/1.1 200 OK"], f"expected status 200, got {outcome.lines[:1]}")
    check(service.finished == len(targets), f"expected {len(targets)} served requests, got {service.finished}")


async def talk_in_lines(demo: Demo) -> None:
    """Echo lines with write(), drain() and readline()."""
    lines = [b"%d %s\n" % (number, b"drop " * (number % 40)) for number in range(200)]
    async with Service("lines", echo_lines).serve(demo.resources) as addresses:
        for address in addresses:
            async with client(address.connect()) as (reader, writer):
                for line in lines:
                    writer.write(line)
                    await writer.drain()
                    echoed = await reader.readline()
                    check(echoed == line, f"over {address.label}: sent {line!r}, got {echoed!r}")
            demo.report.say(f"{address.label}: {len(lines)} lines sent and echoed unchanged")


async def talk_in_frames(demo: Demo) -> None:
    """Echo frames with readexactly(). A length of four bytes precedes each frame."""
    randomness = random.Random(_SEED)
    frames = [randomness.randbytes(size) for size in (1, 2, 255, 4096, 65_535, 65_536, 65_537, 1_000_000)]
    async with Service("frames", echo_frames).serve(demo.resources) as addresses:
        for address in addresses:
            async with client(address.connect()) as (reader, writer):
                for frame in frames:
                    writer.writelines([len(frame).to_bytes(LENGTH_BYTES, "big"), frame])
                    await writer.drain()
                    size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
                    check(
                        size == len(frame),
                        f"over {address.label}: sent a frame of {len(frame)} bytes, got a length of {size}",
                    )
                    check(
                        await reader.readexactly(size) == frame,
                        f"over {address.label}: the echoed frame of {size} bytes equals the frame that was sent",
                    )
                writer.write(bytes(LENGTH_BYTES))
                check(await reader.readexactly(LENGTH_BYTES) == bytes(LENGTH_BYTES), "the last echoed frame is empty")
            demo.report.say(
                f"{address.label}: {len(frames)} frames of 1 to {len(frames[-1]):,} bytes sent and echoed unchanged"
            )


async def transfer(demo: Demo) -> None:
    """Transfer many bytes and compare the checksums of both ends."""
    async with Service("transfer", take_transfer).serve(demo.resources) as addresses:
        for address in addresses:
            await _transfer_through(address, demo)


async def _transfer_through(address: Address, demo: Demo) -> None:
    block = random.Random(_SEED).randbytes(CHUNK)
    digest = hashlib.sha256()
    total = demo.transfer_bytes
    async with client(address.connect()) as (reader, writer):
        began = time.perf_counter()
        writer.write(total.to_bytes(LENGTH_BYTES, "big"))
        with demo.report.progress(address.label, total) as bar:
            for start in range(0, total, CHUNK):
                # Each chunk starts with its offset, so a swapped or repeated chunk changes the checksum.
                chunk = (start.to_bytes(8, "big") + block)[: min(CHUNK, total - start)]
                digest.update(chunk)
                writer.write(chunk)
                await writer.drain()
                bar.advance(len(chunk))
            writer.write(digest.digest())
            await writer.drain()
            answer = (await reader.readline()).decode("ascii").split()
        seconds = time.perf_counter() - began
        check(answer == ["ok", digest.hexdigest()], f"over {address.label}: sent {digest.hexdigest()}, got {answer}")
    demo.report.say(
        f"{address.label}: {total / _MIB:g} MiB in {seconds:.2f} s, SHA-256 {digest.hexdigest()[:16]}... at both ends"
    )


async def cancel_reads(demo: Demo) -> None:
    """Cancel a read of a message of which half has arrived, let a second read time out, and read the whole message."""
    message = random.Random(_SEED).randbytes(1000)
    half = len(message) // 2
    rest_may_come = asyncio.Event()

    async def send_in_halves(_reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
        writer.write(message[:half])
        await rest_may_come.wait()
        writer.write(message[half:])
        await writer.drain()

    async with Service("halves", send_in_halves).serve(demo.resources) as addresses:
        for name, read in _cancelled_reads(len(message) - 1):
            for address in addresses:
                rest_may_come.clear()
                async with client(address.connect()) as (reader, _writer):
                    try:
                        # The first half arrives in one piece, so its first byte proves that all of it has arrived.
                        first = await reader.readexactly(1)
                        await _cancel_once_waiting(read(reader), address)
                        await _time_out(read(reader), address)
                    finally:
                        rest_may_come.set()
                    whole = first + await read(reader)
                    check(
                        whole == message,
                        f"over {address.label}: {name} after a cancelled and a timed-out call returned {len(whole)} of "
                        f"{len(message)} bytes",
                    )
            demo.report.say(
                f"{name}: cancelled, then timed out after {half} of {len(message)} bytes; the next call returned all"
            )


def _cancelled_reads(count: int) -> list[tuple[str, Callable[[sluiceway.StreamReader], Awaitable[bytes]]]]:
    return [
        (f"readexactly({count})", lambda reader: reader.readexactly(count)),
        # asyncio's read(-1) loses the received bytes when it is cancelled.
        ("read(-1)", lambda reader: reader.read(-1)),
    ]


async def _cancel_once_waiting(read: Awaitable[bytes], address: Address) -> None:
    task = asyncio.ensure_future(read)
    # The first step of the task consumes the received bytes, then waits for bytes that were not sent.
    await asyncio.sleep(0)
    check(not task.done(), f"over {address.label}: a read of bytes that were not sent has completed")
    task.cancel()
    await asyncio.wait([task])
    check(task.cancelled(), f"over {address.label}: a cancelled read did not raise CancelledError")


async def _time_out(read: Awaitable[bytes], address: Address) -> None:
    try:
        # The time is not critical: the server sends nothing before the event is set.
        await asyncio.wait_for(read, 0.01)
    except TimeoutError:
        return
    check(False, f"over {address.label}: a read of bytes that were not sent has completed")


async def stop_gracefully(demo: Demo) -> None:
    """Close a server with open connections: close() ends accepting, and wait_closed() waits for the connections."""
    service = Service("clients", echo_lines)
    async with AsyncExitStack() as stack:
        # The stack closes the server if a check fails before close() is called below.
        server = await stack.enter_async_context(await sluiceway.start_server(service.handle, LOOPBACK, 0))
        port = server.sockets[0].getsockname()[1]
        clients = [
            await stack.enter_async_context(client(sluiceway.open_connection(LOOPBACK, port))) for _ in range(_CLIENTS)
        ]
        for reader, writer in clients:
            writer.write(b"first line\n")
            check(await reader.readline() == b"first line\n", "the server echoes before close()")
        server.close()
        stopped = asyncio.ensure_future(server.wait_closed())
        demo.report.say(f"{service.opened} connections open; close() called")
        try:
            await sluiceway.open_connection(LOOPBACK, port)
            check(False, "a closed server accepts no connection")
        except ConnectionRefusedError:
            demo.report.say("a new connection is refused")
        for reader, writer in clients:
            writer.write(b"second line\n")
            check(await reader.readline() == b"second line\n", "open connections continue after close()")
        check(not stopped.done(), "wait_closed() waits for the open connections")
        demo.report.say(f"{_CLIENTS} connections continue; wait_closed() waits for them")
    await stopped
    check(service.finished == _CLIENTS, f"expected {_CLIENTS} finished handlers, got {service.finished}")
    demo.report.say(
        f"wait_closed() returned: {service.opened} connections served, {service.finished} handlers finished"
    )


STEPS: list[tuple[str, Callable[[Demo], Awaitable[None]]]] = [
    ("Headers over TCP, TLS and a Unix socket", ask_for_headers),
    ("Lines", talk_in_lines),
    ("Frames", talk_in_frames),
    ("Transfer", transfer),
    ("A cancelled read loses no data", cancel_reads),
    ("A graceful stop", stop_gracefully),
]
