"""S12: the recipes for standard input and output with connect_read_pipe and connect_write_pipe."""

import asyncio
import contextlib
import os
import subprocess
import sys
import types
from asyncio import streams as asyncio_streams
from typing import Any

import pytest

import sluiceway
from support import loops
from support.external_programs import skip_missing
from support.package import package_directory

MUCH = 4 << 20


async def reading_from(streams: types.ModuleType, descriptor: int, limit: int = 1 << 16) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    reader = streams.StreamReader(limit=limit)
    transport, _ = await loop.connect_read_pipe(
        lambda: streams.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader, transport


async def writing_to(streams: types.ModuleType, descriptor: int, protocol: str = "FlowControlMixin") -> Any:
    """The two recipes that people use differ in the protocol."""
    loop = asyncio.get_running_loop()
    if protocol == "FlowControlMixin":
        factory = streams.FlowControlMixin if streams is sluiceway else asyncio_streams.FlowControlMixin
    else:
        factory = lambda: streams.StreamReaderProtocol(streams.StreamReader(), loop=loop)  # noqa: E731
    transport, made = await loop.connect_write_pipe(factory, os.fdopen(descriptor, "wb", 0))
    return streams.StreamWriter(transport, made, None, loop)


both_recipes = pytest.mark.parametrize("protocol", ["FlowControlMixin", "StreamReaderProtocol"])


async def test_lines_from_standard_input(streams: types.ModuleType) -> None:
    out_of, into = os.pipe()
    reader, transport = await reading_from(streams, out_of)
    os.write(into, b"one\ntwo\nthr")
    assert await reader.readline() == b"one\n"
    os.write(into, b"ee\nrest")
    os.close(into)
    assert [line async for line in reader] == [b"two\n", b"three\n", b"rest"]
    assert reader.at_eof()
    transport.close()
    await asyncio.sleep(0)


async def test_a_fast_writer_is_made_to_wait(streams: types.ModuleType) -> None:
    out_of, into = os.pipe()
    reader, transport = await reading_from(streams, out_of, limit=4096)

    def send() -> None:
        with os.fdopen(into, "wb") as file:
            file.write(b"x" * MUCH)

    sending = asyncio.ensure_future(asyncio.to_thread(send))
    while not reader._paused:
        await asyncio.sleep(0)
    assert not sending.done()
    assert len(await reader.read()) == MUCH
    await sending
    transport.close()
    await asyncio.sleep(0)


@both_recipes
async def test_writing_waits_for_a_slow_reader(streams: types.ModuleType, protocol: str) -> None:
    out_of, into = os.pipe()
    writer = await writing_to(streams, into, protocol)
    writer.write(b"some ")
    writer.writelines([b"more ", b"x" * MUCH])
    draining = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()

    def receive(count: int) -> bytes:
        with os.fdopen(out_of, "rb") as file:
            return file.read(count)

    receiving = asyncio.ensure_future(asyncio.to_thread(receive, MUCH + 10))
    await draining
    writer.close()
    assert await receiving == b"some more " + b"x" * MUCH


@pytest.mark.reference_fails("S12", "its FlowControlMixin knows no end: NotImplementedError")
async def test_wait_closed_of_the_short_recipe(streams: types.ModuleType) -> None:
    await closed_and_all_there(streams, "FlowControlMixin")


async def test_wait_closed_of_the_long_recipe(streams: types.ModuleType) -> None:
    await closed_and_all_there(streams, "StreamReaderProtocol")


async def closed_and_all_there(streams: types.ModuleType, protocol: str) -> None:
    out_of, into = os.pipe()
    with os.fdopen(out_of, "rb") as file:
        writer = await writing_to(streams, into, protocol)
        writer.write(b"x" * MUCH)
        receiving = asyncio.ensure_future(asyncio.to_thread(file.read))
        writer.close()
        assert writer.is_closing()
        try:
            await writer.wait_closed()
        finally:
            assert len(await receiving) == MUCH
        await writer.wait_closed()


@both_recipes
async def test_a_reader_that_goes_away_is_told(streams: types.ModuleType, protocol: str) -> None:
    out_of, into = os.pipe()
    writer = await writing_to(streams, into, protocol)
    writer.write(b"x" * MUCH)
    draining = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    os.close(out_of)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        await draining
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError, NotImplementedError):
        await writer.wait_closed()


async def test_a_writer_for_asyncios_protocol_of_the_short_recipe() -> None:
    """``from asyncio.streams import FlowControlMixin`` before install(): wait_closed cannot know, and says so."""
    loop = asyncio.get_running_loop()
    out_of, into = os.pipe()
    with os.fdopen(out_of, "rb") as file:
        transport, protocol = await loop.connect_write_pipe(asyncio_streams.FlowControlMixin, os.fdopen(into, "wb", 0))
        writer = sluiceway.StreamWriter(transport, protocol, None, loop)
        writer.write(b"all of it")
        await writer.drain()
        writer.close()
        assert await asyncio.to_thread(file.read) == b"all of it"


PROGRAM = """
import asyncio, sys
import sluiceway
sluiceway.install()
from asyncio import streams

async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    loop.slow_callback_duration = 60
    incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(streams.FlowControlMixin, sys.stdout)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    assert type(reader) is sluiceway.StreamReader and type(writer) is sluiceway.StreamWriter
    assert isinstance(protocol, sluiceway.FlowControlMixin)
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    incoming.close()
    writer.close()
    await writer.wait_closed()

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main(), debug=sys.argv[1] == "debug")
"""


@pytest.mark.parametrize("kind", ["asyncio", "debug", "uvloop"])
def test_a_program_on_its_own_standard_input_and_output(kind: str) -> None:
    if kind == "uvloop" and not loops.HAS_UVLOOP:
        skip_missing("uvloop is not installed (it is in the extra `test`)")
    lines = b"".join(b"line %d\n" % number for number in range(20_000))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, kind],
        env={**os.environ, "PYTHONPATH": str(package_directory().parent)},
        input=lines,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == lines.upper()
