"""Stream.sendfile(): by the kernel, by the portable way, and over TLS (contract W3)."""

import asyncio
import bz2
import errno
import gzip
import io
import os
import pathlib
import socket
import tempfile
import threading
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

import sluiceway
from sluiceway._constants import TIMEOUT_RESOLUTION
from sluiceway.stream import send_file
from stream.streams import PAYLOAD, clogged_stream, peer_stream
from support.log_records import logged_warnings
from support.manual_clock import manual_clock
from support.raw_peer import RawPeers
from support.scheduling import start_task, wait_until
from support.timeouts import PEER_TIMEOUT
from support.tls_connections import tls_connection


@pytest.fixture
def payload_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "payload"
    path.write_bytes(PAYLOAD)
    return path


@pytest.fixture(params=["kernel", "unsupported", "absent", "memory"])
def opened(request: pytest.FixtureRequest, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file with PAYLOAD: copied by the kernel, or in the portable way for each reason."""
    if request.param == "absent":
        monkeypatch.delattr(os, "sendfile")
    if request.param == "unsupported":
        monkeypatch.setattr(os, "sendfile", _unsupported)
    if request.param == "memory":
        yield io.BytesIO(PAYLOAD)
        return
    with payload_file.open("rb") as file:
        yield file


def _unsupported(*_: int) -> int:
    raise OSError(22, "Invalid argument")


async def test_slow_peer_receives_the_whole_file_after_what_was_sent(raw_peers: RawPeers, opened: Any) -> None:
    """W3: in order with send(), although the kernel's buffer is full in between."""
    async with peer_stream(raw_peers) as (stream, peer):
        before = await start_task(stream.send(PAYLOAD[:3_000_000]))
        sending = await start_task(stream.sendfile(opened))
        assert await peer.in_thread(peer.receive, 3_000_000) == PAYLOAD[:3_000_000]
        assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD
        assert await sending == len(PAYLOAD)
        await before
        assert stream.stats.bytes_sent == len(PAYLOAD) + 3_000_000
        await stream.send(b"after")
        assert peer.receive(5) == b"after"


class _WaitingFile(io.BytesIO):
    """A file whose first seek() returns when ``other_reads`` is set; the second seek() sets it."""

    def __init__(self) -> None:
        super().__init__(PAYLOAD)
        self.seeks = 0
        self.other_reads = threading.Event()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.seeks += 1
        position = super().seek(offset, whence)
        if self.seeks == 1:
            assert self.other_reads.wait(PEER_TIMEOUT)
        else:
            self.other_reads.set()
        return position


async def test_streams_that_send_one_file_together_send_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the file is read in threads, each of which moves its position."""
    file = _WaitingFile()
    lock_of = send_file._position_lock
    calls = []

    def count(of: Any) -> threading.Lock:
        calls.append(of)
        if len(calls) == 2:
            file.other_reads.set()
        return lock_of(of)

    monkeypatch.setattr(send_file, "_position_lock", count)
    async with sluiceway.pair() as (first, one), sluiceway.pair() as (second, other):
        await asyncio.gather(first.sendfile(file, 0, 1000), second.sendfile(file, 5000, 1000))
        assert await one.read_exactly(1000) == PAYLOAD[:1000]
        assert await other.read_exactly(1000) == PAYLOAD[5000:6000]


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, 10, PAYLOAD[:10]),
        (1000, 300_000, PAYLOAD[1000:301_000]),
        (len(PAYLOAD) - 5, None, PAYLOAD[-5:]),
        (len(PAYLOAD) - 5, 100, PAYLOAD[-5:]),
        (len(PAYLOAD) + 1, None, b""),
        (3, 0, b""),
    ],
)
async def test_part_of_a_file_is_sent_and_counted(
    raw_peers: RawPeers, opened: Any, offset: int, count: int | None, expected: bytes
) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        assert await stream.sendfile(opened, offset, count) == len(expected)
        await stream.aclose()
        assert await peer.in_thread(peer.receive_rest) == expected


async def test_file_is_sent_over_tls(raw_peers: RawPeers, tls: Any, payload_file: pathlib.Path) -> None:
    async with tls_connection("client", raw_peers, tls, lambda peer: peer.receive(len(PAYLOAD))) as (
        reader,
        writer,
        script,
    ):
        stream = sluiceway.Stream.from_pair(reader, writer)
        with payload_file.open("rb") as file:
            assert await stream.sendfile(file) == len(PAYLOAD)
        assert await script.finished() == PAYLOAD


@pytest.mark.parametrize("end", ["cancellation", "timeout"])
async def test_interrupted_sendfile_leaves_the_beginning(raw_peers: RawPeers, opened: Any, end: str) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        with manual_clock() as clock:
            sending = await start_task(stream.sendfile(opened, timeout=5))
            await wait_until(lambda: stream.stats.unsent_bytes)
            if end == "cancellation":
                sending.cancel()
            else:
                clock.advance(5 + TIMEOUT_RESOLUTION)
            await asyncio.wait([sending])
            if end == "timeout":
                with pytest.raises(TimeoutError, match=r"sendfile\(\) timed out after 5 s"):
                    await sending
        receiving = asyncio.create_task(peer.in_thread(peer.receive_rest))
        await stream.aclose()
        received = await receiving
        assert received == PAYLOAD[: len(received)]
        assert stream.stats.bytes_sent == len(received)


@pytest.fixture
def unsent_at_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The unsent bytes of the stream ``unsent_at_copies.stream`` at each call of os.sendfile."""
    copies = _Copies()

    def sendfile(*arguments: int) -> int:
        copies.append(copies.stream.writer.transport.get_write_buffer_size())
        return copy(*arguments)

    copy = os.sendfile
    monkeypatch.setattr(os, "sendfile", sendfile)
    return copies


class _Copies(list[int]):
    stream: sluiceway.Stream


async def _write_when_resumed(stream: sluiceway.Stream) -> None:
    await stream.writer.drain()
    stream.writer.write(PAYLOAD)


@pytest.mark.parametrize("interference", ["write", "limits"])
async def test_file_does_not_overtake_what_is_buffered(
    raw_peers: RawPeers, payload_file: pathlib.Path, unsent_at_copies: Any, interference: str
) -> None:
    """W3: a task that wakes before sendfile() writes again, or the program sets marks that wake sendfile() early."""
    async with clogged_stream(raw_peers) as (stream, peer):
        unsent_at_copies.stream = stream
        earlier = PAYLOAD
        if interference == "write":
            earlier += PAYLOAD
            writing = await start_task(_write_when_resumed(stream))
        with payload_file.open("rb") as file:
            sending = await start_task(stream.sendfile(file))
            if interference == "limits":
                stream.writer.transport.set_write_buffer_limits(high=2_000_000, low=1_000_000)
            assert await peer.in_thread(peer.receive, len(earlier)) == earlier
            assert await peer.in_thread(peer.receive, len(PAYLOAD)) == PAYLOAD
            assert await sending == len(PAYLOAD)
        if interference == "write":
            await writing
        assert set(unsent_at_copies) == {0}


async def test_calls_of_other_tasks_wait_for_the_end_of_the_file(raw_peers: RawPeers, opened: Any) -> None:
    """W3: nothing gets between two pieces of the file. The data is what it was at the call."""
    async with peer_stream(raw_peers) as (stream, peer):
        sending = await start_task(stream.sendfile(opened))
        message = bytearray(b"message")
        calls = [
            await start_task(call)
            for call in (
                stream.send([message], timeout=60),
                stream.send_frame(b"frame"),
                stream.sendfile(io.BytesIO(b"file")),
                stream.send(b"last"),
                stream.send_eof(timeout=60),
            )
        ]
        cancelled = await start_task(stream.send(b"never"))
        cancelled.cancel()
        message[:] = b"changed"
        assert await peer.in_thread(peer.receive_rest) == PAYLOAD + b"message\0\0\0\5frame" + b"filelast"
        await asyncio.gather(sending, *calls)


async def test_calls_that_wait_behind_send_eof_raise_and_change_nothing(
    raw_peers: RawPeers, opened: Any, payload_file: pathlib.Path, tls: Any
) -> None:
    """W5: all of them were called while a file was sent, and before the end of the direction."""
    async with peer_stream(raw_peers) as (stream, peer):
        sending = await start_task(stream.sendfile(opened))
        ending = await start_task(stream.send_eof())
        with payload_file.open("rb") as file:
            late = [
                await start_task(stream.send(b"late")),
                await start_task(stream.sendfile(file)),
                await start_task(stream.start_tls(tls.client_context, server_hostname="localhost")),
            ]
            assert await peer.in_thread(peer.receive_rest) == PAYLOAD
            await asyncio.gather(sending, ending)
            errors = await asyncio.gather(*late, return_exceptions=True)
        assert [type(error) for error in errors] == [RuntimeError] * 3
        assert all("not possible after send_eof()" in str(error) for error in errors)
        peer.send(b"answer")
        assert await stream.read_exactly(6) == b"answer"


async def test_send_that_waits_for_a_file_times_out(raw_peers: RawPeers, opened: Any) -> None:
    async with peer_stream(raw_peers) as (stream, _):
        sending = await start_task(stream.sendfile(opened))
        with manual_clock() as clock:
            waiting = await start_task(stream.send(b"never", timeout=5))
            clock.advance(5 + TIMEOUT_RESOLUTION)
            with pytest.raises(TimeoutError, match=r"send\(\) timed out after 5 s"):
                await waiting
        sending.cancel()


async def test_sendfile_after_an_abort_does_not_use_the_descriptor(
    raw_peers: RawPeers, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the closed descriptor may belong to another file."""
    async with peer_stream(raw_peers) as (stream, _):
        copies = 0

        def sendfile(*_: int) -> int:
            nonlocal copies
            copies += 1
            stream.writer.transport.abort()
            return 1

        monkeypatch.setattr(os, "sendfile", sendfile)
        with payload_file.open("rb") as file, pytest.raises(ConnectionError):
            await stream.sendfile(file)
        assert copies == 1


async def test_file_that_is_closed_meanwhile_is_not_replaced_by_the_one_with_its_number(
    raw_peers: RawPeers, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = 0

    def sendfile(*_: int) -> int:
        nonlocal copies
        copies += 1
        file.close()
        os.dup2(other.fileno(), number)
        return 1

    monkeypatch.setattr(os, "sendfile", sendfile)
    async with peer_stream(raw_peers) as (stream, _):
        with payload_file.open("rb") as other, payload_file.open("rb") as file:
            number = file.fileno()
            try:
                with pytest.raises(ValueError, match=r"^sendfile\(\): file is closed: .*127\.0\.0\.1:"):
                    await stream.sendfile(file)
            finally:
                os.close(number)
        assert copies == 1


async def test_file_without_descriptor_that_is_closed_meanwhile_is_named(raw_peers: RawPeers) -> None:
    class ClosingFile(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.close()
            return data

    async with peer_stream(raw_peers) as (stream, _):
        with pytest.raises(ValueError, match=r"^sendfile\(\): file is closed: .*127\.0\.0\.1:"):
            await stream.sendfile(ClosingFile(b"data"))


async def test_close_while_a_piece_is_read_sends_nothing_of_it(
    raw_peers: RawPeers, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    closed = threading.Event()

    def close() -> None:
        stream.writer.close()
        closed.set()

    class SlowFile(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            loop.call_soon_threadsafe(close)
            assert closed.wait(PEER_TIMEOUT)
            return super().read(size)

    async with peer_stream(raw_peers) as (stream, _):
        with pytest.raises(ConnectionError, match="this program has closed"):
            await stream.sendfile(SlowFile(b"data"))
        assert stream.stats.sends == 0
    assert logged_warnings(caplog) == []


def test_file_of_a_temporary_file_is_copied_by_the_kernel() -> None:
    with tempfile.NamedTemporaryFile() as file:
        assert send_file._raw_file(file) is file.file.raw


async def test_reset_that_the_kernel_reports_to_sendfile_ends_the_connection(raw_peers: RawPeers, opened: Any) -> None:
    """W6: sendfile(2) takes the error from the socket, so no later call of the transport finds it."""
    async with peer_stream(raw_peers) as (stream, peer):
        peer.reset()
        with pytest.raises(ConnectionError, match=r"connection 127\.0\.0\.1:") as raised:
            await stream.sendfile(opened)
        with pytest.raises(type(raised.value)):
            await stream.read(1)
        assert stream.eof_reason == "reset"
        assert (await stream.aclose()).reason == "reset"


async def test_loss_that_the_kernel_reports_to_sendfile_ends_the_connection(
    raw_peers: RawPeers, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W6: for example ETIMEDOUT, when the peer does not answer TCP keepalive."""

    def sendfile(*_: int) -> int:
        # Afterwards, the kernel reports the end of the input.
        peer.half_close()
        raise OSError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(os, "sendfile", sendfile)
    async with peer_stream(raw_peers) as (stream, peer):
        with payload_file.open("rb") as file, pytest.raises(TimeoutError, match="Connection timed out"):
            await stream.sendfile(file)
        with pytest.raises(TimeoutError, match="Connection timed out"):
            await stream.read(1)
        assert stream.eof_reason == "reset"
        assert (await stream.aclose()).reason == "reset"


async def test_sendfile_after_write_eof_does_not_end_the_reading_direction(raw_peers: RawPeers, opened: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        stream.writer.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            await stream.sendfile(opened)
        peer.send(b"answer")
        assert await stream.read(6) == b"answer"


async def test_lost_peer_ends_sendfile(raw_peers: RawPeers, opened: Any) -> None:
    async with peer_stream(raw_peers) as (stream, peer):
        sending = await start_task(stream.sendfile(opened))
        await wait_until(lambda: stream.stats.unsent_bytes)
        peer.reset()
        with pytest.raises(ConnectionError):
            await sending


async def test_file_is_not_copied_by_kernel_to_socket_that_was_made_blocking(
    raw_peers: RawPeers, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that shares the socket may clear O_NONBLOCK: os.sendfile() would then block the event loop."""

    def sendfile(*_: int) -> int:
        raise AssertionError("os.sendfile() was called for a blocking socket")

    monkeypatch.setattr(os, "sendfile", sendfile)
    async with peer_stream(raw_peers) as (stream, peer):
        assert stream.writer is not None
        os.set_blocking(stream.writer.get_extra_info("socket").fileno(), True)
        with payload_file.open("rb") as file:
            assert await stream.sendfile(file, 0, 1000) == 1000
        assert peer.receive(1000) == PAYLOAD[:1000]


async def test_other_error_of_the_kernels_copy_is_raised(
    raw_peers: RawPeers, payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read error of the disk is not an unsupported file, which is sent in another way."""

    def sendfile(*_: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "sendfile", sendfile)
    async with peer_stream(raw_peers) as (stream, _):
        with payload_file.open("rb") as file, pytest.raises(OSError, match="Input/output error"):
            await stream.sendfile(file, 0, 1000)


@pytest.mark.skipif(sluiceway.ENGINE == "loop", reason="uvloop hangs when the program closes the socket below it")
async def test_kernel_does_not_copy_to_descriptor_of_socket_that_was_closed_during_the_call(
    payload_file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may belong to another connection. The program may have passed the socket as sock=."""
    targets: list[int] = []

    def sendfile(target: int, *rest: int) -> int:
        targets.append(target)
        copied = copy(target, *rest)
        sock.close()
        return copied

    copy = os.sendfile
    monkeypatch.setattr(os, "sendfile", sendfile)
    sock, peer = socket.socketpair()
    with peer, payload_file.open("rb") as file:
        stream = await sluiceway.connect(sock)
        try:
            with pytest.raises(OSError):
                await stream.sendfile(file)
            assert targets[1:] in ([], [-1])
        finally:
            stream.abort()


def _gzip(path: pathlib.Path) -> Any:
    with gzip.open(path, "wb") as file:
        file.write(PAYLOAD[:1000])
    return gzip.open(path)


def _bz2(path: pathlib.Path) -> Any:
    with bz2.open(path, "wb") as file:
        file.write(PAYLOAD[:1000])
    return bz2.open(path)


def _zip_member(path: pathlib.Path) -> Any:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", PAYLOAD[:1000])
    return zipfile.ZipFile(path).open("member")


def _written(file: Any) -> Any:
    file.write(PAYLOAD[:1000])
    return file


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_gzip, id="gzip"),
        pytest.param(_bz2, id="bz2"),
        pytest.param(_zip_member, id="zip"),
        pytest.param(lambda path: _written(path.open("w+b")), id="unflushed"),
        pytest.param(lambda path: _written(tempfile.NamedTemporaryFile(dir=path.parent)), id="temporary"),  # noqa: SIM115
        pytest.param(lambda _: _written(tempfile.SpooledTemporaryFile()), id="spooled"),  # noqa: SIM115
    ],
)
async def test_content_that_file_object_reads_is_sent(
    tmp_path: pathlib.Path, make: Callable[[pathlib.Path], Any]
) -> None:
    """W3: not the compressed bytes of its descriptor, nor only what it has passed to the system."""
    async with sluiceway.pair() as (stream, other):
        with make(tmp_path / "file") as file:
            assert await stream.sendfile(file, 10) == 990
            assert await other.read_exactly(990) == PAYLOAD[10:1000]
