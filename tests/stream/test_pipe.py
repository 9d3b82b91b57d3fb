"""pipe(): Streams over pipes, terminals, files and devices."""

import asyncio
import errno
import gc
import io
import os
import pathlib
import pty
import socket
import tty
from typing import Any

import pytest

import sluiceway
from support.scheduling import start_task, wait_until

LARGE = 4 << 20


async def test_stream_of_reading_end_reads_and_cannot_send() -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(read_end) as stream:
        os.write(write_end, b"one\ntwo\nrest")
        assert await stream.read_line() == b"one\n"
        with pytest.raises(io.UnsupportedOperation, match="can only be read"):
            await stream.send(b"x")
        os.close(write_end)
        assert await stream.read_exactly(8) == b"two\nrest"
        assert await stream.read(1) == b""
        assert stream.eof_reason == "clean"
        # Otherwise the loop would report the end of file in each iteration.
        await wait_until(stream.is_closing)
        assert stream.timings is None


async def test_stream_of_writing_end_sends_and_cannot_read() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as file:
        receiving = asyncio.ensure_future(asyncio.to_thread(file.read))
        async with sluiceway.pipe(write_end) as stream:
            with pytest.raises(io.UnsupportedOperation, match="can only be written"):
                await stream.read(1)
            await stream.send(b"x" * LARGE)
        assert await receiving == b"x" * LARGE


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="Linux has pipes in packet mode")
@pytest.mark.parametrize("call", ["readinto", "read_exactly_into", "read_exactly"])
async def test_packet_that_is_longer_than_the_read_is_kept(call: str) -> None:
    """The kernel drops what a read leaves of a packet. The reads below let it write into their result."""
    packets = [bytes([number]) * 4000 for number in range(12)]
    read_end, write_end = os.pipe2(os.O_DIRECT)
    async with sluiceway.pipe(read_end) as stream:
        buffer = bytearray(8)
        reading = await start_task(
            stream.read_exactly(37_000) if call == "read_exactly" else getattr(stream, call)(buffer)
        )
        for packet in packets:
            os.write(write_end, packet)
        os.close(write_end)
        first = await reading
        first = first if call == "read_exactly" else bytes(buffer)
        assert first + await stream.read_all() == b"".join(packets)


@pytest.mark.parametrize("end", ["close", "end of file"])
async def test_end_of_pipe_comes_after_buffered_data(end: str) -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(read_end) as far, sluiceway.pipe(write_end) as stream:
        assert stream.writer is not None
        stream.writer.write(b"x" * LARGE)
        ending = await start_task(stream.aclose() if end == "close" else stream.send_eof())
        assert await far.read_all() == b"x" * LARGE
        await ending
        assert (await stream.aclose()).flushed


@pytest.mark.parametrize("end", ["close", "write_eof"])
async def test_data_that_resume_writing_of_a_protocol_writes_is_sent(end: str) -> None:
    class WritesMore(asyncio.Protocol):
        def __init__(self) -> None:
            self.left = 2

        def resume_writing(self) -> None:
            if self.left:
                self.left -= 1
                transport.write(b"x" * LARGE)
                if not self.left:
                    getattr(transport, end)()

    read_end, write_end = os.pipe()
    async with sluiceway.pipe(read_end) as far, sluiceway.pipe(write_end) as stream:
        transport: Any = stream.writer and stream.writer.transport
        streams = transport.get_protocol()
        transport.set_protocol(WritesMore())
        transport.write(b"x" * LARGE)
        assert await far.read_all() == b"x" * 3 * LARGE
        transport.set_protocol(streams)
        streams.connection_lost(None)


async def test_send_on_pipe_that_this_side_closed_does_not_blame_the_reader() -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(write_end) as stream:
        pass
    with pytest.raises(ConnectionResetError):
        await stream.send(b"x")
    os.close(read_end)


async def test_closed_stream_of_reading_end_closes_descriptor() -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(read_end):
        pass
    with pytest.raises(BrokenPipeError):
        os.write(write_end, b"x")
    os.close(write_end)


@pytest.mark.parametrize("end", ["reading", "writing", "terminal", "pipe of asyncio"])
async def test_lingering_close_of_pipe_closes_it_at_once(end: str) -> None:
    """A pipe has one direction: nothing can arrive that a close would answer with a reset."""
    reading, writing = pty.openpty() if end == "terminal" else os.pipe()
    ours, other = (reading, writing) if end == "reading" else (writing, reading)
    if end == "pipe of asyncio":
        file = os.fdopen(ours, "wb", buffering=0)
        transport, protocol = await asyncio.get_running_loop().connect_write_pipe(sluiceway.FlowControlMixin, file)
        writer = sluiceway.StreamWriter(transport, protocol, None, asyncio.get_running_loop())
        stream = sluiceway.Stream.from_pair(None, writer)
    else:
        stream = await sluiceway.pipe(ours)
    if end != "reading":
        await stream.send(b"before")
    info = await stream.aclose(linger=3600)
    assert (info.flushed, info.reason) == (True, "closed")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ours)
    os.close(other)


async def test_dropped_stream_of_reading_end_is_closed_with_warning() -> None:
    read_end, write_end = os.pipe()
    stream = await sluiceway.pipe(read_end)
    with pytest.warns(ResourceWarning, match=rf"^unclosed <StreamReader transport=.*>, pipe {read_end}"):
        del stream
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(BrokenPipeError):
        os.write(write_end, b"x")
    os.close(write_end)


async def test_debug_warning_of_dropped_stream_names_place_that_opened_the_pipe() -> None:
    asyncio.get_running_loop().set_debug(True)
    for descriptor in os.pipe():
        stream = await sluiceway.pipe(descriptor)
        with pytest.warns(ResourceWarning, match=f"pipe {descriptor}; the connection was created at:") as found:
            del stream
        assert f'File "{__file__}"' in str(found[0].message)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_send_to_pipe_without_reader_raises_connection_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    async with sluiceway.pipe(write_end) as stream:
        with pytest.raises(ConnectionError, match=rf"pipe {write_end}\b"):
            for _ in range(100):
                await stream.send(b"x")
                await asyncio.sleep(0)


@pytest.mark.parametrize("size", [1, LARGE])
@pytest.mark.parametrize("call", ["send", "flush"])
async def test_send_raises_error_that_kernel_reports_at_once(size: int, call: str) -> None:
    """drain() of a writer without a reader raises ConnectionResetError instead, as asyncio's does."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    async with sluiceway.pipe(write_end) as stream:
        with pytest.raises(BrokenPipeError, match=rf"\(pipe {write_end}\)"):
            if call == "send":
                await stream.send(bytes(size))
            else:
                stream.writer.write(bytes(size))
                await stream.flush()


@pytest.mark.parametrize("end", ["abort", "reader closes"])
async def test_pipe_that_ends_with_unsent_data_is_not_flushed(end: str) -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(write_end) as stream:
        transport: Any = stream.writer.transport
        # Below the mark, so that the paused writing does not show what is unsent.
        transport.set_write_buffer_limits(high=2 * LARGE)
        stream.writer.write(bytes(LARGE))
        unsent = stream.stats.unsent_bytes
        assert 0 < unsent < LARGE
        if end == "abort":
            transport.abort()
        os.close(read_end)
        await wait_until(stream.writer.is_closing)
        info = await stream.aclose()
        assert (info.flushed, info.unsent_bytes) == (False, unsent)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full")
async def test_send_to_full_device_raises_its_error() -> None:
    async with sluiceway.pipe(os.open("/dev/full", os.O_WRONLY)) as stream:
        with pytest.raises(OSError, match="No space left on device") as caught:
            await stream.send(b"x")
    assert caught.value.errno == errno.ENOSPC


async def test_send_after_idle_pipe_lost_its_reader_raises_broken_pipe_error() -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(write_end) as stream:
        os.close(read_end)
        await wait_until(stream.writer.is_closing)
        for call in (stream.send(b"x"), stream.flush(), stream.send_eof()):
            with pytest.raises(BrokenPipeError, match=rf"the reader of the pipe has closed it \(pipe {write_end}\)"):
                await call


@pytest.mark.parametrize("unsent", [0, LARGE])
@pytest.mark.parametrize("reported", [False, True])
async def test_error_after_abort_of_pipe_does_not_name_the_reader(unsent: int, reported: bool) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb"):
        stream = await sluiceway.pipe(write_end)
        stream.writer.write(bytes(unsent))
        stream.abort()
        if reported:
            await stream.aclose()
        for call in (stream.send(b"x"), stream.flush(), stream.send_eof()):
            with pytest.raises(ConnectionResetError, match=rf"^Connection lost: .*pipe {write_end}"):
                await call
        await stream.aclose()


async def test_send_after_close_reports_the_close_although_reader_of_pipe_closed_meanwhile() -> None:
    read_end, write_end = os.pipe()
    stream = await sluiceway.pipe(write_end)
    stream.writer.write(b"x" * LARGE)
    closing = await start_task(stream.aclose())
    os.close(read_end)
    assert not (await closing).flushed
    with pytest.raises(ConnectionResetError, match=rf"^Connection lost: this program has closed pipe {write_end}$"):
        await stream.send(b"x")


@pytest.mark.parametrize("eof_sent", [False, True])
async def test_error_after_abort_of_pipe_transport_does_not_name_the_reader(eof_sent: bool) -> None:
    read_end, write_end = os.pipe()
    stream = await sluiceway.pipe(write_end)
    await stream.send(b"x")
    if eof_sent:
        await stream.send_eof()
    stream.writer.transport.abort()
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match=rf"^Connection lost: pipe {write_end} has ended$"):
            await stream.send(b"x")
        with pytest.raises(ConnectionResetError, match=rf"^Connection lost: pipe {write_end} has ended$"):
            await stream.flush()
        await stream.aclose()
    os.close(read_end)


async def test_send_eof_ends_pipe_after_data_and_later_send_raises() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as file:
        async with sluiceway.pipe(write_end) as stream:
            receiving = asyncio.ensure_future(asyncio.to_thread(file.read))
            await stream.send(b"x" * LARGE)
            await stream.send_eof()
            assert await receiving == b"x" * LARGE
            await stream.send_eof()
            with pytest.raises(RuntimeError, match=r"send\(\): not possible after send_eof\(\)"):
                await stream.send(b"more")
            assert (await stream.aclose()).flushed


async def test_idle_stream_closes_when_reader_of_pipe_closes() -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(write_end) as stream:
        assert not stream.writer.is_closing()
        os.close(read_end)
        await wait_until(stream.writer.is_closing)


async def test_unsent_data_is_reported_when_reader_of_pipe_closes() -> None:
    read_end, write_end = os.pipe()
    async with sluiceway.pipe(write_end) as stream:
        sending = await start_task(stream.send(b"x" * LARGE))
        os.close(read_end)
        with pytest.raises(BrokenPipeError):
            await sending


async def test_terminal_that_is_open_for_both_is_read_and_written() -> None:
    main, terminal = pty.openpty()
    tty.setraw(terminal)
    async with sluiceway.pipe(terminal) as stream:
        os.write(main, b"typed\n")
        assert await stream.read_line() == b"typed\n"
        await stream.send(b"shown\n")
        assert await asyncio.to_thread(os.read, main, 100) == b"shown\n"
    os.close(main)


async def test_main_end_of_terminal_is_read_and_written() -> None:
    main, terminal = pty.openpty()
    tty.setraw(terminal)
    async with sluiceway.pipe(main) as stream:
        await stream.send(b"typed\n")
        assert await asyncio.to_thread(os.read, terminal, 100) == b"typed\n"
        os.write(terminal, b"shown\n")
        assert await stream.read_line() == b"shown\n"
    os.close(terminal)


async def test_fifo_that_is_open_for_both_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    async with sluiceway.pipe(os.open(path, os.O_RDWR)) as stream:
        for _ in range(2):
            # A writer that comes and goes does not end the stream.
            path.write_bytes(b"line\n")
            assert await stream.read_line() == b"line\n"


async def test_file_is_read_to_its_end_with_flow_control(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)))
    async with sluiceway.pipe(os.open(path, os.O_RDONLY), limit=1000) as stream:
        assert await stream.read_line() == b"line 0\n"
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(stream.reader._buffer) <= 1 << 17
        assert [await stream.read_line() for _ in range(1, 100_001)][-2:] == [b"line 99999\n", b""]


async def test_file_and_device_are_written_at_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    async with sluiceway.pipe(os.open(path, os.O_WRONLY | os.O_CREAT)) as stream:
        await stream.send(b"some ")
        assert path.read_bytes() == b"some "
        stream.writer.writelines([b"more ", memoryview(b"text")])
        assert path.read_bytes() == b"some more text"
        stream.writer.transport.writelines([memoryview(b"-i-n- -l-i-n-e-s")[::-2][::-1]])
        assert path.read_bytes() == b"some more textin lines"
    async with sluiceway.pipe(os.open("/dev/null", os.O_WRONLY)) as stream:
        await stream.send(b"x" * LARGE)
    async with sluiceway.pipe(os.open("/dev/null", os.O_RDONLY)) as stream:
        assert await stream.read(1) == b""


async def test_error_of_device_is_raised_by_next_send() -> None:
    async with sluiceway.pipe(os.open("/dev/full", os.O_WRONLY)) as stream:
        with pytest.raises(OSError, match=r"No space left on device|Connection lost"):
            for _ in range(3):
                await stream.send(b"x")
                await asyncio.sleep(0)


@pytest.mark.parametrize("descriptor", [-1, 1 << 20])
def test_descriptor_that_is_not_open_raises_value_error(descriptor: int) -> None:
    with pytest.raises(ValueError, match=f"must be an open descriptor, not {descriptor}"):
        sluiceway.pipe(descriptor)


@pytest.mark.parametrize("descriptor", [None, "0", 1.0, True])
def test_descriptor_of_wrong_type_raises_type_error(descriptor: Any) -> None:
    with pytest.raises(TypeError, match="descriptor argument must be an int, not "):
        sluiceway.pipe(descriptor)


def test_socket_raises_value_error_that_names_connect() -> None:
    with socket.socket() as sock, pytest.raises(ValueError, match=r"is a socket; sluiceway\.connect\(\)"):
        sluiceway.pipe(sock.fileno())


def test_descriptor_stays_open_if_call_never_starts() -> None:
    read_end, write_end = os.pipe()
    opening = sluiceway.pipe(read_end)
    with pytest.warns(RuntimeWarning, match=rf"pipe\({read_end}\) was never awaited"):
        del opening
    gc.collect()
    os.close(read_end)
    os.close(write_end)
