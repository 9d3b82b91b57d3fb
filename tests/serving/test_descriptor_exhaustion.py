"""L1: without free descriptors accepting pauses, logs one line, does not spin, and resumes later."""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from serving.handlers import send_hello
from serving.recording_socket import RecordingSocket, bound_recording_socket
from sluiceway._net import accept
from support.file_descriptors import descriptors_exhausted
from support.raw_peer import RawPeers
from support.scheduling import run_iterations


class LogRecorder(logging.Handler):
    """Records the lines that sluiceway logs; the event is set by the first."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.received = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")
        self.received.set()


@contextlib.contextmanager
def recorded_log() -> Iterator[LogRecorder]:
    log = LogRecorder()
    logger = logging.getLogger("sluiceway")
    logger.addHandler(log)
    try:
        yield log
    finally:
        logger.removeHandler(log)


async def test_accept_out_of_descriptors_logs_once_and_resumes(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = bound_recording_socket()
    server = await sluiceway.start_server(send_hello, sock=sock)
    peers = [raw_peers.connect(sock.getsockname()) for _ in range(20)]
    with recorded_log() as log:
        with descriptors_exhausted():
            await sock.wait_for_accepts(6)
        for peer in peers:
            assert await peer.in_thread(peer.receive_rest) == b"hello"
    (line,) = log.lines
    assert line.startswith("ERROR")
    assert "retrying every" in line
    assert os.strerror(errno.EMFILE) in line
    assert str(sock.getsockname()[1]) in line
    assert line.endswith("raise this process's limit on open files (ulimit -n) or limit the number of connections")
    server.close()
    await server.wait_closed()


class UnopenedFileLog(logging.Handler):
    """Raises as logging.FileHandler does, up to some release of Python 3.14, if no descriptor is left for its file."""

    def emit(self, _: logging.LogRecord) -> None:
        raise OSError(errno.EMFILE, "in the log")


async def test_server_accepts_again_if_the_file_of_the_log_could_not_be_opened(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch, loop_errors: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = bound_recording_socket()
    server = await sluiceway.start_server(send_hello, sock=sock)
    peer = raw_peers.connect(sock.getsockname())
    logger, handler = logging.getLogger("sluiceway"), UnopenedFileLog()
    logger.addHandler(handler)
    try:
        with descriptors_exhausted():
            await sock.wait_for_accepts(2)
    finally:
        logger.removeHandler(handler)
    assert await peer.in_thread(peer.receive_rest) == b"hello"
    assert [str(context["exception"]) for context in loop_errors] == [f"[Errno {errno.EMFILE}] in the log"]
    loop_errors.clear()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.EMFILE, ""), "raise this process's limit on open files"),
        (OSError(errno.ENFILE, ""), "raise the system's limit on open files"),
        (OSError(errno.ENOBUFS, ""), "free memory"),
        (OSError(errno.ENOMEM, ""), "free memory"),
        (MemoryError(), "free memory"),
    ],
)
def test_advice_depends_on_which_resource_has_run_out(error: OSError | MemoryError, advice: str) -> None:
    assert accept._advice(error).startswith(advice)


async def test_accept_out_of_descriptors_does_not_spin(raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 3600)
    sock = bound_recording_socket()
    server = await sluiceway.start_server(send_hello, sock=sock, backlog=10_000)
    for _ in range(20):
        raw_peers.connect(sock.getsockname())
    with recorded_log() as log, descriptors_exhausted():
        await log.received.wait()
        assert sock.accepts == 1
        await run_iterations(50)
        assert sock.accepts == 1
    assert len(log.lines) == 1
    server.close()
    await server.wait_closed()


async def test_open_connection_is_served_while_out_of_descriptors(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)

    async def echo(reader: Any, writer: Any) -> None:
        async for line in reader:
            writer.write(line)
        writer.close()

    sock = bound_recording_socket()
    server = await sluiceway.start_server(echo, sock=sock)
    first = raw_peers.connect(sock.getsockname())
    first.send(b"one\n")
    assert await first.in_thread(first.receive, 4) == b"one\n"
    waiting = raw_peers.connect(sock.getsockname())
    with recorded_log() as log, descriptors_exhausted():
        await log.received.wait()
        first.send(b"two\n")
        assert await first.in_thread(first.receive, 4) == b"two\n"
        first.close()
    waiting.send(b"three\n")
    assert await waiting.in_thread(waiting.receive, 6) == b"three\n"
    waiting.close()
    server.close()
    await server.wait_closed()


async def test_descriptor_of_closed_connection_is_used_for_next(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = bound_recording_socket()
    server = await sluiceway.start_server(lambda r, w: asyncio.create_task(send_hello(r, w)), sock=sock)
    peers = [raw_peers.connect(sock.getsockname()) for _ in range(5)]
    spare_descriptor = os.dup(0)
    with recorded_log() as log:
        with descriptors_exhausted():
            await log.received.wait()
            os.close(spare_descriptor)
            # One free descriptor is enough for all, one after the other.
            for peer in peers:
                peer.sock.setblocking(True)
                assert await receive_without_thread(peer) == b"hello"
    server.close()
    await server.wait_closed()


async def receive_without_thread(peer: Any) -> bytes:
    """Receive to the end without a thread, which may need descriptors."""
    received = b""
    peer.sock.setblocking(False)
    while True:
        try:
            part = peer.sock.recv(100)
        except BlockingIOError:
            await asyncio.sleep(0.001)
            continue
        if not part:
            return received
        received += part


async def test_next_shortage_after_recovery_is_logged_again(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = bound_recording_socket()
    server = await sluiceway.start_server(send_hello, sock=sock)
    for count in (1, 2):
        peer = raw_peers.connect(sock.getsockname())
        with recorded_log() as log:
            with descriptors_exhausted():
                await log.received.wait()
            assert await peer.in_thread(peer.receive_rest) == b"hello"
        assert len(log.lines) == 1, count
        await run_iterations(50)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("delay", [3600, 0.01])
async def test_server_closes_while_accepting_is_paused(
    delay: float, raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", delay)
    sock = bound_recording_socket()
    server = await sluiceway.start_server(send_hello, sock=sock)
    raw_peers.connect(sock.getsockname())
    with recorded_log() as log, descriptors_exhausted():
        await log.received.wait()
        server.close()
        assert sock.fileno() == -1
    await server.wait_closed()
    await run_iterations(50)


class FailingSocket(RecordingSocket):
    """A listener whose first calls of accept() raise the given errors."""

    failures: list[int]

    def accept(self) -> Any:
        if self.failures:
            self.record_accept()
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


def failing_socket(*failures: int) -> FailingSocket:
    sock = FailingSocket()
    sock.bind(("127.0.0.1", 0))
    sock.failures = list(failures)
    return sock


@pytest.mark.parametrize("number", [errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_accept_out_of_other_resources_logs_once_and_resumes(
    number: int, raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.001)
    sock = failing_socket(number, number)
    server = await sluiceway.start_server(send_hello, sock=sock)
    with recorded_log() as log:
        peer = raw_peers.connect(sock.getsockname())
        assert await peer.in_thread(peer.receive_rest) == b"hello"
    assert len(log.lines) == 1
    server.close()
    await server.wait_closed()


async def test_accept_resumes_although_the_loop_could_not_watch_the_socket_again(
    raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel has no memory for epoll_ctl(), or the user has no watch left (fs.epoll.max_user_watches)."""
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.001)
    sock = failing_socket(errno.ENOMEM)
    server = await sluiceway.start_server(send_hello, sock=sock)
    loop: Any = asyncio.get_running_loop()
    original, failures = loop.add_reader, [errno.ENOMEM, errno.ENOSPC]

    def add_reader(descriptor: Any, *arguments: Any) -> None:
        if failures and descriptor == sock.fileno():
            number = failures.pop(0)
            raise OSError(number, os.strerror(number))
        original(descriptor, *arguments)

    loop.add_reader = add_reader
    try:
        peer = raw_peers.connect(sock.getsockname())
        assert await peer.in_thread(peer.receive_rest) == b"hello"
    finally:
        del loop.add_reader
    assert not failures
    server.close()
    await server.wait_closed()


async def test_accept_error_of_peer_is_ignored(raw_peers: RawPeers) -> None:
    sock = failing_socket(errno.ECONNABORTED, errno.EPROTO, errno.EINTR)
    server = await sluiceway.start_server(send_hello, sock=sock)
    with recorded_log() as log:
        peer = raw_peers.connect(sock.getsockname())
        assert await peer.in_thread(peer.receive_rest) == b"hello"
    assert log.lines == []
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.ETIMEDOUT, errno.ENOTCONN])
async def test_accept_error_of_one_connection_is_reported_and_the_next_is_accepted(
    code: int, raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    # accept() of a class of the program may read from the new connection, and let its reset out.
    sock = failing_socket(code)
    server = await sluiceway.start_server(send_hello, sock=sock)
    peer = raw_peers.connect(sock.getsockname())
    assert await peer.in_thread(peer.receive_rest) == b"hello"
    (context,) = loop_errors
    loop_errors.clear()
    assert context["exception"].errno == code
    context.clear()
    server.close()
    await server.wait_closed()


async def test_other_accept_error_stops_accepting_and_is_reported(
    raw_peers: RawPeers, loop_errors: list[dict[str, Any]]
) -> None:
    sock = failing_socket(errno.EINVAL)
    server = await sluiceway.start_server(send_hello, sock=sock)
    peer = raw_peers.connect(sock.getsockname())
    await sock.wait_for_accepts(1)
    await run_iterations(50)
    (context,) = loop_errors
    loop_errors.clear()
    assert "no more connections are accepted" in context["message"]
    assert context["exception"].errno == errno.EINVAL
    assert sock.accepts == 1
    context.clear()
    server.close()
    await server.wait_closed()
    peer.close()


async def test_accept_resumes_when_a_connection_ends(raw_peers: RawPeers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 3600)

    async def send_hello_after_line(reader: Any, writer: Any) -> None:
        await reader.readline()
        await send_hello(reader, writer)

    sock = bound_recording_socket()
    server = await sluiceway.start_server(send_hello_after_line, sock=sock)
    peers = [raw_peers.connect(sock.getsockname()) for _ in range(3)]
    await sock.wait_for_accepts(3)
    peers.append(raw_peers.connect(sock.getsockname()))
    with recorded_log() as log, descriptors_exhausted():
        await log.received.wait()
        for peer in peers:
            peer.send(b"\n")
            assert await receive_without_thread(peer) == b"hello"
    server.close()
    await server.wait_closed()
