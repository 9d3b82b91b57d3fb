"""Descriptors of pipe() that are shared, or of an unusual kind, and protocols that fail."""

import asyncio
import contextlib
import errno
import fcntl
import io
import itertools
import os
import pathlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

import sluiceway
from sluiceway._transports import pipe_transports
from support.file_descriptors import open_descriptors
from support.interrupts import Interrupt
from support.scheduling import run_iterations, start_task, wait_until
from support.timeouts import PEER_TIMEOUT

PAYLOAD = bytes(200_000)  # more than a pipe holds


class RecordsEnd(asyncio.BaseProtocol):
    """Records the argument of each call of connection_lost()."""

    def __init__(self) -> None:
        self.lost_with: list[BaseException | None] = []

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with.append(exc)


class FailsToTake(RecordsEnd, asyncio.Protocol):
    """Raises MemoryError for received data."""

    def data_received(self, data: bytes) -> None:
        raise MemoryError


class FailsToProvideMemory(RecordsEnd, asyncio.BufferedProtocol):
    """Raises MemoryError before data is received."""

    def get_buffer(self, sizehint: int) -> Any:
        raise MemoryError


@pytest.mark.parametrize("failing", [FailsToTake, FailsToProvideMemory])
async def test_failure_while_data_is_received_ends_pipe_with_one_report(
    failing: type[FailsToTake | FailsToProvideMemory], loop_errors: list[dict[str, Any]]
) -> None:
    """A stream that continued would have a gap, or the same event would repeat without end."""
    reading, writing = os.pipe()
    stream = await sluiceway.pipe(reading)
    transport = stream.reader._transport
    streams = transport.get_protocol()
    protocol = failing()
    transport.set_protocol(protocol)
    os.write(writing, b"lost")
    await wait_until(lambda: loop_errors)
    await run_iterations()
    assert [type(context["exception"]) for context in loop_errors] == [MemoryError]
    assert [type(error) for error in protocol.lost_with] == [MemoryError]
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    os.close(writing)
    loop_errors.clear()
    streams.connection_lost(None)
    await stream.aclose()


class FailsToClose(io.FileIO):
    """Closes the descriptor, then raises, as after an error of a disk."""

    def close(self) -> None:
        if not self.closed:
            super().close()
            raise OSError(errno.EIO, "in a test")


@pytest.mark.parametrize("kind", [pipe_transports.PipeReadTransport, pipe_transports.PipeWriteTransport])
async def test_end_is_reported_to_protocol_although_close_of_file_fails(
    kind: Any, loop_errors: list[dict[str, Any]]
) -> None:
    reading, writing = os.pipe()
    own, other = (reading, writing) if kind is pipe_transports.PipeReadTransport else (writing, reading)
    protocol = FailsToTake()
    file = FailsToClose(own, "r" if own == reading else "w")
    transport = kind(asyncio.get_running_loop(), file, protocol)
    transport.abort()
    await run_iterations()
    assert protocol.lost_with == [None]
    assert [(context["message"], str(context["exception"])) for context in loop_errors] == [
        ("close() of a file or pipe failed", "[Errno 5] in a test")
    ]
    assert transport.get_protocol() is None
    loop_errors.clear()
    os.close(other)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has eventfd")
async def test_descriptor_that_is_not_a_pipe_is_read_when_it_is_ready() -> None:
    """An eventfd without a value would block a read, as a pipe does."""
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)
    async with sluiceway.pipe(descriptor) as stream:
        reading = await start_task(stream.read_exactly(8))
        await run_iterations()
        os.eventfd_write(descriptor, 7)
        assert int.from_bytes(await reading, sys.byteorder) == 7


def supports_nowait() -> bool:
    """Return True if a read of a pipe accepts the flag not to wait."""
    reading, writing = os.pipe()
    try:
        os.preadv(reading, [bytearray(1)], -1, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        pass
    finally:
        os.close(reading)
        os.close(writing)
    return False


@pytest.mark.skipif(not supports_nowait(), reason="the system has no flag for it")
@pytest.mark.parametrize("end", ["reading", "writing"])
async def test_pipe_made_blocking_just_before_its_use_does_not_stop_loop(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may do that at any moment."""

    def make_blocking_before(name: str) -> None:
        call = getattr(os, name)

        def make_blocking_and_call(descriptor: int, *arguments: Any) -> int:
            os.set_blocking(descriptor, True)
            return call(descriptor, *arguments)  # type: ignore[no-any-return]

        monkeypatch.setattr(os, name, make_blocking_and_call)

    reading, writing = os.pipe()
    ours, other = (reading, writing) if end == "reading" else (writing, reading)
    for name in ("preadv", "readv") if end == "reading" else ("pwritev", "writev", "write"):
        make_blocking_before(name)
    async with sluiceway.pipe(ours) as stream:
        if end == "reading":
            stream.reader._transport._read()
            os.write(other, b"data")
            assert await stream.read(10) == b"data"
        else:
            sending = await start_task(stream.send(bytes(1 << 20)))
            received = 0
            while received < 1 << 20:
                received += len(os.read(other, 1 << 20))
                await run_iterations()
            await sending
    os.close(other)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EPERM])
async def test_refused_flag_not_to_wait_is_not_used(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seccomp filters refuse the calls with EPERM."""

    def refuse(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    for name in ("preadv", "pwritev"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    reading, writing = os.pipe()
    async with sluiceway.pipe(reading) as incoming, sluiceway.pipe(writing) as outgoing:
        await outgoing.send(b"data")
        assert await incoming.read(10) == b"data"


def interrupt_after(monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], error: BaseException) -> None:
    """Let the functions ``names`` of ``os`` raise ``error`` after the system call, as a signal handler may."""

    def interrupted(call: Any) -> Any:
        def call_and_interrupt(*arguments: Any) -> None:
            call(*arguments)
            raise error

        return call_and_interrupt

    for name in names:
        monkeypatch.setattr(os, name, interrupted(getattr(os, name)))


READING_CALLS = ("preadv", "readv")
WRITING_CALLS = ("pwritev", "writev", "write")


@pytest.mark.parametrize("end", ["reading", "writing"])
async def test_interrupt_after_system_call_ends_pipe(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Received bytes are lost then, and a continued write would send its bytes again."""
    reading, writing = os.pipe()
    ours, other = (reading, writing) if end == "reading" else (writing, reading)
    async with sluiceway.pipe(ours) as stream:
        if end == "reading":
            os.write(other, b"lost")
            interrupt_after(monkeypatch, READING_CALLS, KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                stream.reader._transport._read()
            with pytest.raises(ConnectionAbortedError, match="may have lost received data"):
                await stream.read(10)
        else:
            interrupt_after(monkeypatch, WRITING_CALLS, KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                stream.writer.write(b"once")
            await run_iterations()
            assert os.read(other, 10) == b"once"
            assert os.read(other, 10) == b""
            with pytest.raises(ConnectionAbortedError, match="may have lost written data"):
                await stream.send(b"x")
    os.close(other)


async def test_interrupt_at_any_place_of_a_write_leaves_no_data_waiting() -> None:
    """On CPython 3.12 and 3.13, a ``try`` around a loop does not see an interrupt at the end of an iteration."""
    for number in itertools.count():
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        stream = await sluiceway.pipe(writing)
        transport = stream.writer.transport
        interrupt = Interrupt(number, KeyboardInterrupt, lambda frame: frame.f_code.co_name == "_write")
        with interrupt.active(), contextlib.suppress(KeyboardInterrupt):
            transport.write(PAYLOAD)
        received = b""
        # Enough reads for the whole of it.
        for _ in range(len(PAYLOAD) // 4096):
            with contextlib.suppress(BlockingIOError):
                received += os.read(reading, len(PAYLOAD))
            await run_iterations()
        assert transport.is_closing() or received == PAYLOAD, interrupt.at
        stream.abort()
        await stream.aclose()
        os.close(reading)
        if not interrupt.at:
            break
    assert number


@pytest.mark.parametrize("error", [TimeoutError, InterruptedError, BlockingIOError, LookupError])
async def test_exception_of_signal_handler_after_read_ends_pipe(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    reading, writing = os.pipe()
    async with sluiceway.pipe(reading) as stream:
        os.write(writing, b"lost")
        interrupt_after(monkeypatch, READING_CALLS, error("in a signal handler"))
        with pytest.raises(error, match="in a signal handler"):
            await stream.read(10)
    loop_errors.clear()
    os.close(writing)


@pytest.mark.parametrize("error", [TimeoutError, InterruptedError, BlockingIOError, LookupError])
async def test_exception_of_signal_handler_after_write_ends_pipe(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    reading, writing = os.pipe()
    async with sluiceway.pipe(writing) as stream:
        with monkeypatch.context() as patch:
            interrupt_after(patch, WRITING_CALLS, error("in a signal handler"))
            stream.writer.write(b"once")
        await run_iterations()
        with pytest.raises(error, match="in a signal handler"):
            await stream.send(b"x")
    os.set_blocking(reading, False)
    assert os.read(reading, 10) == b"once"
    assert os.read(reading, 10) == b""
    loop_errors.clear()
    os.close(reading)


@pytest.mark.parametrize("kind", ["reading", "writing", "terminal", "pair"])
async def test_exception_at_end_of_opening_leaves_descriptors_usable(
    kind: str, fail_to_make_stream: Callable[[], AbstractContextManager[None]]
) -> None:
    """A loop that still watched the descriptor would refuse the next socket that has it, or pass events on."""
    if kind == "terminal":
        other, ours = os.openpty()
    else:
        reading, writing = os.pipe()
        ours, other = (reading, writing) if kind == "reading" else (writing, reading)
    with fail_to_make_stream():
        if kind == "pair":
            await sluiceway.pair()
        else:
            await sluiceway.pipe(ours)
    await run_iterations()
    if kind == "pair":
        os.close(ours)
    else:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(ours)
    async with sluiceway.pair() as (first, second):
        await first.send(b"line\n")
        assert await second.read_line() == b"line\n"
    os.close(other)


def raising_once(function: Callable[..., Any], raised: list[TimeoutError]) -> Callable[..., Any]:
    """Return ``function`` with a first call that raises an error, as if in a signal handler, and appends it."""

    def call(*arguments: Any) -> Any:
        if not raised:
            raised.append(TimeoutError("in a signal handler"))
            raise raised[0]
        return function(*arguments)

    return call


async def test_exception_at_end_of_pipe_does_not_keep_close_waiting(
    monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    """A signal handler may raise there."""
    reading, writing = os.pipe()
    stream = await sluiceway.pipe(reading)
    protocol = type(stream.reader._transport.get_protocol())
    raised: list[TimeoutError] = []
    monkeypatch.setattr(protocol, "connection_lost", raising_once(protocol.connection_lost, raised))
    await stream.aclose()
    assert [context["exception"] for context in loop_errors] == raised
    loop_errors.clear()
    os.close(writing)


async def test_exception_before_end_of_pipe_is_reported_does_not_keep_close_waiting(
    monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    """A signal handler may raise where the loop calls the transport."""
    reading, writing = os.pipe()
    stream = await sluiceway.pipe(reading)
    transport = type(stream.reader._transport)
    raised: list[TimeoutError] = []
    monkeypatch.setattr(transport, "_lost", raising_once(transport._lost, raised))
    await asyncio.wait_for(stream.aclose(), PEER_TIMEOUT)
    assert [context["exception"] for context in loop_errors] == raised
    loop_errors.clear()
    os.close(writing)


async def test_exception_before_end_of_pipe_is_scheduled_does_not_keep_close_waiting(
    monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    """A signal handler may raise where the transport has read the end."""
    raised: list[TimeoutError] = []
    replacement = raising_once(pipe_transports.schedule_repeatedly, raised)
    monkeypatch.setattr(pipe_transports, "schedule_repeatedly", replacement)
    reading, writing = os.pipe()
    stream = await sluiceway.pipe(reading)
    os.close(writing)
    assert await stream.read() == b""
    await wait_until(lambda: raised)
    await asyncio.wait_for(stream.aclose(), PEER_TIMEOUT)
    assert [context["exception"] for context in loop_errors] == raised
    loop_errors.clear()


async def test_directory_is_refused_and_closed(tmp_path: pathlib.Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError):
        await sluiceway.pipe(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_standard_input_that_is_directory_leaks_no_descriptor(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(sys.modules["sluiceway.stream.pipe"], "STDIN", descriptor)
    before = open_descriptors()
    with pytest.raises(IsADirectoryError):
        await sluiceway.stdio()
    assert open_descriptors() == before
    os.close(descriptor)


@pytest.mark.parametrize("name", ["input", "output"])
async def test_closed_standard_stream_raises_os_error_and_leaks_no_descriptor(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    # A number that the next open file does not get.
    closed = fcntl.fcntl(reading, fcntl.F_DUPFD, 500)
    os.close(closed)
    module = sys.modules["sluiceway.stream.pipe"]
    monkeypatch.setattr(module, "STDIN", closed if name == "input" else reading)
    monkeypatch.setattr(module, "STDOUT", closed if name == "output" else writing)
    before = open_descriptors()
    with pytest.raises(OSError, match=rf"stdio\(\): standard {name} is closed$") as caught:
        await sluiceway.stdio()
    assert caught.value.errno == errno.EBADF
    assert open_descriptors() == before
    os.close(reading)
    os.close(writing)


async def test_terminal_without_free_descriptor_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that is open for both directions needs a second descriptor."""

    def fail(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    main, terminal = os.openpty()
    monkeypatch.setattr(os, "dup", fail)
    with pytest.raises(OSError, match="Too many open files"):
        await sluiceway.pipe(terminal)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(terminal)
    os.close(main)


@pytest.mark.parametrize("end", ["reading", "writing"])
async def test_pipe_that_another_process_made_blocking_is_never_used_so(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a write to a full pipe stops the loop until the peer reads."""
    used_blocking = []

    def watch(name: str) -> None:
        call = getattr(os, name)

        def record_and_call(descriptor: int, data: Any) -> int:
            used_blocking.append(os.get_blocking(descriptor))
            return call(descriptor, data)  # type: ignore[no-any-return]

        monkeypatch.setattr(os, name, record_and_call)

    # As on a system without the flag not to wait.
    monkeypatch.setattr("sluiceway._transports.pipe_transports._NOWAIT", 0)
    reading, writing = os.pipe()
    ours, other = (reading, writing) if end == "reading" else (writing, reading)
    async with sluiceway.pipe(ours) as stream:
        os.set_blocking(ours, True)
        if end == "reading":
            os.write(other, b"data")
            watch("readv")
            assert await stream.read(10) == b"data"
        else:
            watch("writev")
            await stream.send(b"data")
            assert os.read(other, 10) == b"data"
    assert set(used_blocking) == {False}
    os.close(other)


@pytest.mark.parametrize("side", ["reading", "writing"])
async def test_pipe_that_the_loop_cannot_watch_ends_with_the_error(side: str) -> None:
    """The kernel has no memory for epoll_ctl(), or the user has no watch left (fs.epoll.max_user_watches)."""
    reading, writing = os.pipe()
    loop: Any = asyncio.get_running_loop()

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    try:
        if side == "reading":
            stream = await sluiceway.pipe(reading, limit=1)
            transport = stream.reader._transport
            transport.pause_reading()
            loop.add_reader = fail
            transport.resume_reading()
            with pytest.raises(OSError, match="No space left on device"):
                await stream.read(1)
            os.close(writing)
        else:
            stream = await sluiceway.pipe(writing)
            loop.add_writer = fail
            with pytest.raises(OSError, match="No space left on device"):
                await stream.send(bytes(1_000_000))
            assert stream.is_closing()
            assert (await stream.aclose()).unsent_bytes > 0
            os.close(reading)
    finally:
        for name in ("add_reader", "add_writer"):
            vars(loop).pop(name, None)
    await stream.aclose()
