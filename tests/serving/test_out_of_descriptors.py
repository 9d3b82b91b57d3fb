"""L1: when the system is out of descriptors accepting pauses, says so once, does not spin, and goes on later."""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest

import sluiceway
from sluiceway._net import accept
from support.descriptors import no_descriptors_left
from support.listening import ToldSocket, told_socket
from support.peer import Peers


class Log(logging.Handler):
    """What sluiceway logs, and an event for the first of it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.told = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")
        self.told.set()


@contextlib.contextmanager
def logged() -> Iterator[Log]:
    log = Log()
    logger = logging.getLogger("sluiceway")
    logger.addHandler(log)
    try:
        yield log
    finally:
        logger.removeHandler(log)


async def greet(reader: Any, writer: Any) -> None:
    writer.write(b"hello")
    writer.close()
    await writer.wait_closed()


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_it_pauses_says_so_once_and_resumes(peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = told_socket()
    server = await sluiceway.start_server(greet, sock=sock)
    wires = [peer.connect(sock.getsockname()) for _ in range(20)]
    with logged() as log:
        with no_descriptors_left():
            await sock.accepted(6)
        for wire in wires:
            assert await wire.in_thread(wire.receive_rest) == b"hello"
    (line,) = log.lines
    assert line.startswith("ERROR")
    assert "out of resources" in line
    assert os.strerror(errno.EMFILE) in line
    assert str(sock.getsockname()[1]) in line
    server.close()
    await server.wait_closed()


async def test_it_does_not_spin(peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 3600)
    sock = told_socket()
    server = await sluiceway.start_server(greet, sock=sock, backlog=10_000)
    for _ in range(20):
        peer.connect(sock.getsockname())
    with logged() as log, no_descriptors_left():
        await log.told.wait()
        assert sock.accepts == 1
        await settle()
        assert sock.accepts == 1
    assert len(log.lines) == 1
    server.close()
    await server.wait_closed()


async def test_what_was_accepted_before_goes_on_being_served(peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)

    async def echo(reader: Any, writer: Any) -> None:
        async for line in reader:
            writer.write(line)
        writer.close()

    sock = told_socket()
    server = await sluiceway.start_server(echo, sock=sock)
    first = peer.connect(sock.getsockname())
    first.send(b"one\n")
    assert await first.in_thread(first.receive, 4) == b"one\n"
    waiting = peer.connect(sock.getsockname())
    with logged() as log, no_descriptors_left():
        await log.told.wait()
        first.send(b"two\n")
        assert await first.in_thread(first.receive, 4) == b"two\n"
        first.close()
    waiting.send(b"three\n")
    assert await waiting.in_thread(waiting.receive, 6) == b"three\n"
    waiting.close()
    server.close()
    await server.wait_closed()


async def test_a_connection_that_ends_makes_room_for_the_next(peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = told_socket()
    server = await sluiceway.start_server(lambda r, w: asyncio.create_task(greet(r, w)), sock=sock)
    wires = [peer.connect(sock.getsockname()) for _ in range(5)]
    spare = os.dup(0)
    with logged() as log:
        with no_descriptors_left():
            await log.told.wait()
            os.close(spare)
            # One free number serves them all, one after the other.
            for wire in wires:
                wire.sock.setblocking(True)
                assert await _all_of(wire) == b"hello"
    server.close()
    await server.wait_closed()


async def _all_of(wire: Any) -> bytes:
    """Receive to the end without a thread, which may need descriptors."""
    received = b""
    wire.sock.setblocking(False)
    while True:
        try:
            part = wire.sock.recv(100)
        except BlockingIOError:
            await asyncio.sleep(0.001)
            continue
        if not part:
            return received
        received += part


async def test_it_is_said_again_after_it_was_over(peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.01)
    sock = told_socket()
    server = await sluiceway.start_server(greet, sock=sock)
    for count in (1, 2):
        wire = peer.connect(sock.getsockname())
        with logged() as log:
            with no_descriptors_left():
                await log.told.wait()
            assert await wire.in_thread(wire.receive_rest) == b"hello"
        assert len(log.lines) == 1, count
        await settle()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("delay", [3600, 0.01])
async def test_closing_while_it_pauses(delay: float, peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", delay)
    sock = told_socket()
    server = await sluiceway.start_server(greet, sock=sock)
    peer.connect(sock.getsockname())
    with logged() as log, no_descriptors_left():
        await log.told.wait()
        server.close()
        assert sock.fileno() == -1
    await server.wait_closed()
    await settle()


class Failing(ToldSocket):
    """accept() fails with these errors first."""

    failures: list[int]

    def accept(self) -> Any:
        if self.failures:
            self.count()
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


def failing(*failures: int) -> Failing:
    sock = Failing()
    sock.bind(("127.0.0.1", 0))
    sock.failures = list(failures)
    return sock


@pytest.mark.parametrize("number", [errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_the_other_shortages(number: int, peer: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.001)
    sock = failing(number, number)
    server = await sluiceway.start_server(greet, sock=sock)
    with logged() as log:
        wire = peer.connect(sock.getsockname())
        assert await wire.in_thread(wire.receive_rest) == b"hello"
    assert len(log.lines) == 1
    server.close()
    await server.wait_closed()


async def test_errors_of_the_peer_are_passed_by(peer: Peers) -> None:
    sock = failing(errno.ECONNABORTED, errno.EPROTO, errno.EINTR)
    server = await sluiceway.start_server(greet, sock=sock)
    with logged() as log:
        wire = peer.connect(sock.getsockname())
        assert await wire.in_thread(wire.receive_rest) == b"hello"
    assert log.lines == []
    server.close()
    await server.wait_closed()


async def test_any_other_error_ends_accepting_and_is_told(peer: Peers, loop_errors: list[dict[str, Any]]) -> None:
    sock = failing(errno.EINVAL)
    server = await sluiceway.start_server(greet, sock=sock)
    wire = peer.connect(sock.getsockname())
    await sock.accepted(1)
    await settle()
    (context,) = loop_errors
    loop_errors.clear()
    assert "stopped accepting" in context["message"]
    assert context["exception"].errno == errno.EINVAL
    assert sock.accepts == 1
    context.clear()
    server.close()
    await server.wait_closed()
    wire.close()
