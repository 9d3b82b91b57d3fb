"""R4: the framing works on sockets, TLS, pipes, the output of a child process and standard input, and stays in step."""

import asyncio
import contextlib
import os
import sys
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.child_watchers import join_watchers
from support.connections import connected_pair
from support.fake_transports import CountingTransport

LONG = b"x" * 200_000
LINES = b"one\n" + LONG + b"\ntwo\n" + LONG + b"\n\nthree\nlast"
FRAMES = b"\0\0\0\3abc\0\3\r\x40" + LONG + b"\0\0\0\0"
MIXED = LINES + b"\n" + FRAMES + b"rest"

# Prints its argument, the size of the line that is too long, between two others; what it reads comes after them.
CHILD = (
    "import sys, shutil\n"
    "print('one'); print('x' * int(sys.argv[1])); print('two', flush=True)\n"
    "shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
)


@contextlib.asynccontextmanager
async def source(kind: str, streams: types.ModuleType, tls: Certificates) -> AsyncIterator[tuple[Any, Any]]:
    """Yield a reader and a function that writes to it and ends the stream."""
    options: dict[str, Any] = {}
    if kind == "pipe":
        read_end, write_end = os.pipe()
        reader = streams.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: streams.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
        )

        def write(data: bytes) -> None:
            with os.fdopen(write_end, "wb", 0) as file:
                file.write(data)

        try:
            yield reader, lambda data: loop.run_in_executor(None, write, data)
        finally:
            transport.close()
            await loop.shutdown_default_executor()
        return
    if kind == "tls":
        options = {"server": {"ssl": tls.server_context}, "client": {"ssl": tls.client_context}}
        options["client"]["server_hostname"] = "localhost"
    async with connected_pair(streams, **options) as ((reader, _), (_, writer)):

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()
            writer.close()

        yield reader, send


@pytest.mark.parametrize("kind", ["socket", "tls", "pipe"])
async def test_lines_and_frames_of_one_source_stay_in_step(
    kind: str, streams: types.ModuleType, tls: Certificates
) -> None:
    async with source(kind, streams, tls) as (reader, write):
        task = asyncio.ensure_future(write(MIXED))
        lines = sluiceway.lines(reader, max_length=1000, overlong="skip")
        assert [await anext(lines) for _ in range(3)] == [b"one\n", b"two\n", b"\n"]
        assert lines.skipped == 2
        assert [await reader.readline() for _ in range(2)] == [b"three\n", b"last\n"]
        frames = sluiceway.frames(reader, max_size=len(LONG))
        assert [await anext(frames) for _ in range(3)] == [b"abc", LONG, b""]
        assert await reader.read() == b"rest"
        await task


@pytest.mark.parametrize("policy", ["truncate", "chunks"])
async def test_long_line_of_socket_is_cut_and_next_read_is_in_step(
    policy: Any, streams: types.ModuleType, tls: Certificates
) -> None:
    async with source("socket", streams, tls) as (reader, write):
        task = asyncio.ensure_future(write(LINES))
        lines: Any = sluiceway.lines(reader, max_length=150_000, overlong=policy)
        assert (await anext(lines), await anext(lines)) == (
            (b"one\n", LONG[:150_000])
            if policy == "truncate"
            else ((b"one\n", True), sluiceway.Piece(LONG[:150_000], False))
        )
        if policy == "chunks":
            assert await anext(lines) == (LONG[150_000:] + b"\n", True)
        assert await reader.readline() == b"two\n"
        assert [line async for line in sluiceway.lines(reader, max_length=len(LONG))] == [
            LONG + b"\n", b"\n", b"three\n", b"last",
        ]  # fmt: skip
        await task


@pytest.mark.loops("asyncio")
async def test_asyncio_reader_from_before_the_installation_is_iterated() -> None:
    """While sluiceway is installed, it counts as an instance of sluiceway's class."""
    reader = asyncio.StreamReader()
    reader.feed_data(b"one\ntwo\n")
    reader.feed_eof()
    with sluiceway.installed():
        assert [line async for line in sluiceway.lines(reader)] == [b"one\n", b"two\n"]
        with pytest.raises(
            TypeError, match=r"reader must be a sluiceway\.StreamReader or None, not asyncio's 'StreamReader'"
        ):
            sluiceway.Stream.from_pair(reader, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("installed", [False, True])
async def test_output_of_child_process_skips_long_line(installed: bool, cleanup: contextlib.ExitStack) -> None:
    cleanup.callback(join_watchers)
    with sluiceway.installed() if installed else contextlib.nullcontext():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, "200000", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert isinstance(process.stdout, sluiceway.StreamReader) is installed
        lines = sluiceway.lines(process.stdout, overlong="skip")
        assert [await anext(lines), await anext(lines), lines.skipped] == [b"one\n", b"two\n", 1]
        process.stdin.write(b"three\nrest")
        process.stdin.close()
        assert await process.stdout.readline() == b"three\n"
        assert [line async for line in lines] == [b"rest"]
        assert await process.wait() == 0


async def test_records_taken_from_asyncio_reader_resume_its_transport() -> None:
    """R3: as asyncio's own reads do, once at most ``limit`` bytes are left."""
    reader = asyncio.StreamReader(limit=16)
    transport = CountingTransport()
    reader.set_transport(transport)
    reader.feed_data(b"line\n" * 7)
    assert transport.paused
    lines = sluiceway.lines(reader)
    for paused in (True, True, True, False):
        assert await anext(lines) == b"line\n"
        assert transport.paused is paused
