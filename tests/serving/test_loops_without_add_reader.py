"""Loops without add_reader, such as proactors: accepting uses sock_accept."""

import asyncio
import contextlib
import errno
import gc
import os
import socket
import sys
from collections.abc import Coroutine
from typing import Any

import pytest

import sluiceway
from serving.handlers import echo_lines
from sluiceway._net import accept
from support.connections import server_address
from support.timeouts import TEST_TIMEOUT


class CompletionLoop(asyncio.SelectorEventLoop):
    """A loop whose add_reader and remove_reader only asyncio itself may call, like a proactor."""

    def __init__(self) -> None:
        super().__init__()
        self.sock_accepts = 0
        self.failures: list[int | BaseException] = []

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        raise NotImplementedError

    def remove_reader(self, fd: Any) -> bool:
        if not sys._getframe(1).f_globals["__name__"].startswith("asyncio."):
            raise NotImplementedError
        return super().remove_reader(fd)

    async def sock_accept(self, sock: socket.socket) -> Any:
        self.sock_accepts += 1
        if self.failures:
            failure = self.failures.pop(0)
            raise OSError(failure, os.strerror(failure)) if isinstance(failure, int) else failure
        return await super().sock_accept(sock)


def run(body: Coroutine[Any, Any, None], loop: CompletionLoop) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.wait_for(body, TEST_TIMEOUT))
    return reports


async def visit(address: Any) -> None:
    reader, writer = await sluiceway.open_connection(*address)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


def test_server_on_completion_loop_serves() -> None:
    loop = CompletionLoop()

    async def main() -> None:
        async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0) as server:
            for _ in range(3):
                await visit(server_address(server))
            await asyncio.gather(*(visit(server_address(server)) for _ in range(20)))

    assert run(main(), loop) == []
    assert loop.sock_accepts >= 23


def test_server_on_completion_loop_closes_before_it_served() -> None:
    async def main() -> None:
        server = await sluiceway.start_server(echo_lines, "127.0.0.1", 0, start_serving=False)
        server.close()
        await server.wait_closed()

    assert run(main(), CompletionLoop()) == []


def test_server_on_completion_loop_closes_while_it_accepts() -> None:
    async def main() -> None:
        server = await sluiceway.start_server(echo_lines, "127.0.0.1", 0)
        await asyncio.sleep(0)
        address = server_address(server)
        server.close()
        await server.wait_closed()
        for _ in range(3):  # sock_accept releases the socket one iteration later
            await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await sluiceway.open_connection(*address)

    assert run(main(), CompletionLoop()) == []


def test_accept_error_of_peer_is_ignored_on_completion_loop() -> None:
    loop = CompletionLoop()
    loop.failures = [errno.ECONNABORTED, errno.EPROTO]

    async def main() -> None:
        async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0) as server:
            await visit(server_address(server))

    assert run(main(), loop) == []


def create_tasks_eagerly(loop: CompletionLoop) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("eager tasks are new in Python 3.12")
    loop.set_task_factory(asyncio.eager_task_factory)


@pytest.mark.parametrize("eager", [False, True])
def test_accept_out_of_descriptors_resumes_on_completion_loop(
    eager: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.001)
    loop = CompletionLoop()
    if eager:
        create_tasks_eagerly(loop)
    loop.failures = [errno.EMFILE, errno.EMFILE]

    async def main() -> None:
        async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0) as server:
            await visit(server_address(server))

    assert run(main(), loop) == []
    assert len([record for record in caplog.records if record.name == "sluiceway"]) == 1


async def close_after_failures(loop: CompletionLoop) -> None:
    """Start a server, and close it when each of the failures of accept() has been raised."""
    server = await sluiceway.start_server(echo_lines, "127.0.0.1", 0)
    while loop.failures:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("delay", [3600, 0.001])
def test_server_on_completion_loop_closes_while_accepting_is_paused(
    delay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", delay)
    loop = CompletionLoop()
    loop.failures = [errno.EMFILE]
    assert run(close_after_failures(loop), loop) == []


def test_other_accept_error_is_reported_on_completion_loop() -> None:
    loop = CompletionLoop()
    loop.failures = [errno.EINVAL]
    (context,) = run(close_after_failures(loop), loop)
    assert context["exception"].errno == errno.EINVAL
    assert "no more connections are accepted" in context["message"]


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("error", [TimeoutError, ValueError, ConnectionResetError])
def test_error_of_a_signal_handler_or_connection_does_not_stop_accepting_on_completion_loop(
    error: type[BaseException], eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "ACCEPT_RETRY_DELAY", 0.001)
    loop = CompletionLoop()
    if eager:
        create_tasks_eagerly(loop)
    loop.failures = [errno.ECONNRESET if error is ConnectionResetError else error("in a signal handler")]

    async def main() -> None:
        async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0) as server:
            await visit(server_address(server))

    reports = run(main(), loop)
    # The frames in the traceback of an eager task's error refer to the task.
    gc.collect()
    assert [type(context["exception"]) for context in reports] == [error]
    reports.clear()


def test_tls_server_on_completion_loop_serves(tls: Any) -> None:
    async def main() -> None:
        async with await sluiceway.start_server(echo_lines, "127.0.0.1", 0, ssl=tls.server_context) as server:
            reader, writer = await sluiceway.open_connection(*server_address(server), ssl=tls.client_context)
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    assert run(main(), CompletionLoop()) == []
