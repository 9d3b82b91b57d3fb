"""S12: the recipes for standard input and output with connect_read_pipe and connect_write_pipe work."""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import termios
import types
from asyncio import streams as asyncio_streams
from typing import Any

import pytest

import sluiceway
from support import loops
from support.external_programs import skip_missing
from support.package import package_directory
from support.scheduling import start_task
from support.timeouts import PROCESS_TIMEOUT

LARGE = 4 << 20


async def open_reader(streams: types.ModuleType, descriptor: int, limit: int = 1 << 16) -> tuple[Any, Any]:
    loop = asyncio.get_running_loop()
    reader = streams.StreamReader(limit=limit)
    transport, _ = await loop.connect_read_pipe(
        lambda: streams.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader, transport


async def open_writer(streams: types.ModuleType, descriptor: int, protocol: str = "FlowControlMixin") -> Any:
    """Open a writer by one of the two common recipes, which differ in the protocol."""
    loop = asyncio.get_running_loop()
    if protocol == "FlowControlMixin":
        factory = streams.FlowControlMixin if streams is sluiceway else asyncio_streams.FlowControlMixin
    else:
        factory = lambda: streams.StreamReaderProtocol(streams.StreamReader(), loop=loop)  # noqa: E731
    transport, write_protocol = await loop.connect_write_pipe(factory, os.fdopen(descriptor, "wb", 0))
    return streams.StreamWriter(transport, write_protocol, None, loop)


both_recipes = pytest.mark.parametrize("protocol", ["FlowControlMixin", "StreamReaderProtocol"])


async def test_lines_are_read_from_pipe(streams: types.ModuleType) -> None:
    read_end, write_end = os.pipe()
    reader, transport = await open_reader(streams, read_end)
    os.write(write_end, b"one\ntwo\nthr")
    assert await reader.readline() == b"one\n"
    os.write(write_end, b"ee\nrest")
    os.close(write_end)
    assert [line async for line in reader] == [b"two\n", b"three\n", b"rest"]
    assert reader.at_eof()
    transport.close()
    await asyncio.sleep(0)


async def test_unread_pipe_pauses_writer(streams: types.ModuleType) -> None:
    read_end, write_end = os.pipe()
    reader, transport = await open_reader(streams, read_end, limit=4096)

    def send() -> None:
        with os.fdopen(write_end, "wb") as file:
            file.write(b"x" * LARGE)

    sending = asyncio.ensure_future(asyncio.to_thread(send))
    while not reader._paused:
        await asyncio.sleep(0)
    assert not sending.done()
    assert len(await reader.read()) == LARGE
    await sending
    transport.close()
    await asyncio.sleep(0)


@both_recipes
async def test_drain_waits_for_slow_reader_of_pipe(streams: types.ModuleType, protocol: str) -> None:
    read_end, write_end = os.pipe()
    writer = await open_writer(streams, write_end, protocol)
    writer.write(b"some ")
    writer.writelines([b"more ", b"x" * LARGE])
    draining = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()

    def receive(count: int) -> bytes:
        with os.fdopen(read_end, "rb") as file:
            return file.read(count)

    receiving = asyncio.ensure_future(asyncio.to_thread(receive, LARGE + 10))
    await draining
    writer.close()
    assert await receiving == b"some more " + b"x" * LARGE


@pytest.mark.reference_fails("S12", "wait_closed() with its FlowControlMixin raises NotImplementedError")
async def test_wait_closed_with_flow_control_mixin_returns_when_all_is_sent(streams: types.ModuleType) -> None:
    await check_close_sends_all_data(streams, "FlowControlMixin")


async def test_wait_closed_with_stream_reader_protocol_returns_when_all_is_sent(streams: types.ModuleType) -> None:
    await check_close_sends_all_data(streams, "StreamReaderProtocol")


async def check_close_sends_all_data(streams: types.ModuleType, protocol: str) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as file:
        writer = await open_writer(streams, write_end, protocol)
        writer.write(b"x" * LARGE)
        receiving = asyncio.ensure_future(asyncio.to_thread(file.read))
        writer.close()
        assert writer.is_closing()
        try:
            await writer.wait_closed()
        finally:
            assert len(await receiving) == LARGE
        await writer.wait_closed()


@both_recipes
async def test_drain_raises_when_reader_of_pipe_closes(streams: types.ModuleType, protocol: str) -> None:
    read_end, write_end = os.pipe()
    writer = await open_writer(streams, write_end, protocol)
    writer.write(b"x" * LARGE)
    draining = asyncio.ensure_future(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    os.close(read_end)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        await draining
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError, NotImplementedError):
        await writer.wait_closed()


async def test_writer_with_asyncio_flow_control_mixin_sends_all_data() -> None:
    """A program may have imported FlowControlMixin from asyncio.streams before install()."""
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as file:
        transport, protocol = await loop.connect_write_pipe(
            asyncio_streams.FlowControlMixin, os.fdopen(write_end, "wb", 0)
        )
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
def test_program_echoes_standard_input_to_standard_output(kind: str) -> None:
    if kind == "uvloop" and not loops.HAS_UVLOOP:
        skip_missing("uvloop is not installed (it is in the extra `test`)")
    lines = b"".join(b"line %d\n" % number for number in range(20_000))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, kind],
        env={**os.environ, "PYTHONPATH": str(package_directory().parent)},
        input=lines,
        capture_output=True,
        timeout=PROCESS_TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == lines.upper()


def shared_protocol(streams: types.ModuleType) -> type:
    """Return a class like aioconsole's, whose one object serves the reader's pipe and the pipes of two writers."""

    class SharedProtocol(streams.StreamReaderProtocol):  # type: ignore[name-defined,misc]
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if self._stream_reader._transport is None:
                super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            state = self.__dict__.copy()
            super().connection_lost(exc)
            self.__dict__.update(state)
            self.lost.set()

    return SharedProtocol


def unread_bytes(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


class SharedPipes:
    """The reader of one pipe and the writers of two others, with one protocol."""

    def __init__(self, streams: types.ModuleType) -> None:
        self.streams = streams
        self.reader = streams.StreamReader()
        self.protocol = shared_protocol(streams)(self.reader)
        self.protocol.lost = asyncio.Event()
        self.read_end, self.write_end = os.pipe()
        self.outputs: list[int] = []
        self.writers: list[Any] = []

    async def open_reader(self) -> None:
        file = os.fdopen(self.read_end, "rb", 0)
        await asyncio.get_running_loop().connect_read_pipe(lambda: self.protocol, file)

    async def open_writers(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(2):
            output, end = os.pipe()
            transport, protocol = await loop.connect_write_pipe(lambda: self.protocol, os.fdopen(end, "wb", 0))
            self.outputs.append(output)
            self.writers.append(self.streams.StreamWriter(transport, protocol, self.reader, loop))

    async def end_input(self) -> None:
        os.write(self.write_end, b"line\n")
        os.close(self.write_end)
        assert await self.reader.read() == b"line\n"
        # uvloop does not close the transport at the end of input.
        self.reader._transport.close()
        await self.protocol.lost.wait()

    async def check_writers_send(self) -> None:
        for writer in self.writers:
            writer.write(b"still open")
            await writer.drain()
            assert not writer.is_closing()
        for writer, output in zip(self.writers, self.outputs, strict=True):
            writer.close()
            await writer.wait_closed()
            with os.fdopen(output, "rb") as file:
                assert await asyncio.to_thread(file.read) == b"still open"


async def test_end_of_input_leaves_writers_with_same_protocol_open(streams: types.ModuleType) -> None:
    pipes = SharedPipes(streams)
    await pipes.open_reader()
    await pipes.open_writers()
    await pipes.end_input()
    await pipes.check_writers_send()


async def test_writers_with_protocol_of_ended_pipe_send(streams: types.ModuleType) -> None:
    pipes = SharedPipes(streams)
    await pipes.open_reader()
    await pipes.end_input()
    await pipes.open_writers()
    await pipes.check_writers_send()


async def test_broken_pipe_of_an_older_writer_with_same_protocol_ends_its_drain(streams: types.ModuleType) -> None:
    """It is not taken for the end of the reader's pipe, which is open."""
    pipes = SharedPipes(streams)
    await pipes.open_reader()
    await pipes.open_writers()
    writer = pipes.writers[0]
    writer.write(bytes(1_000_000))
    draining = await start_task(writer.drain())
    assert not draining.done()
    os.close(pipes.outputs[0])
    await pipes.protocol.lost.wait()
    await asyncio.wait([draining], timeout=0)
    assert draining.done()
    with pytest.raises(BrokenPipeError):
        await draining
    pipes.writers[1].close()
    pipes.reader._transport.close()
    os.close(pipes.write_end)
    os.close(pipes.outputs[1])


async def test_input_after_the_loss_of_a_writer_with_same_protocol_is_no_error(
    loop_errors: list[dict[str, Any]],
) -> None:
    pipes = SharedPipes(sluiceway)
    await pipes.open_reader()
    await pipes.open_writers()
    pipes.writers[1].close()
    await pipes.protocol.lost.wait()
    assert await pipes.reader.read() == b""
    pipes.protocol.lost.clear()
    os.write(pipes.write_end, b"late")
    while unread_bytes(pipes.read_end):
        await asyncio.sleep(0)
    pipes.writers[0].close()
    pipes.reader._transport.close()
    os.close(pipes.write_end)
    await pipes.protocol.lost.wait()
    assert loop_errors == []
    for output in pipes.outputs:
        os.close(output)
