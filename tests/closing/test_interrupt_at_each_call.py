"""An exception at any call within the package: afterwards no task waits without end, and every socket is closed.

A signal handler that raises, KeyboardInterrupt or another exception, runs where a Python function begins. The loop runs
again after it, as in a program that catches it. Calls that a loop's own transports make are left out: asyncio loses the
event itself then.
"""

import asyncio
import contextlib
import gc
import itertools
import os
import sys
import types
from typing import Any

import pytest

import sluiceway
from support.certificates import Certificates
from support.timeouts import PEER_TIMEOUT

PACKAGE = os.path.dirname(sluiceway.__file__) + os.sep
# The interpreter ignores an exception in them.
UNRAISABLE = ("__del__", "_gone")


class InterruptAtCall:
    """Raises ``error`` at the call ``number`` of a function of the package. ``at`` is its place."""

    def __init__(self, number: int, error: type[BaseException]) -> None:
        self.left = number
        self.error = error
        self.at = ""

    def __call__(self, frame: types.FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_name in UNRAISABLE or self.at:
            return
        caller = frame.f_back
        if sluiceway.ENGINE != "epoll" and caller is not None and "asyncio" in caller.f_code.co_filename:
            return
        self.left -= 1
        if self.left < 0:
            self.at = f"{os.path.relpath(code.co_filename, PACKAGE)}:{code.co_firstlineno} {code.co_name}()"
            raise self.error


async def echo(reader: sluiceway.StreamReader, writer: sluiceway.StreamWriter) -> None:
    try:
        writer.write(await reader.readline())
    finally:
        writer.close()


async def ask(port: int, tls: Any, lingering: bool) -> None:
    options = {"ssl": tls.client_context, "server_hostname": "localhost"} if tls else {}
    reader, writer = await sluiceway.open_connection("127.0.0.1", port, **options)
    try:
        writer.write(b"line\n")
        if lingering:
            await sluiceway.Stream.from_pair(reader, writer).aclose(linger=PEER_TIMEOUT)
        await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def pending_tasks() -> list[str]:
    """Return the tasks that do not end."""
    # The traceback of an interrupted task refers to its socket, and a callback of the loop to the task.
    await asyncio.sleep(0)
    gc.collect()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    pending = (await asyncio.wait(others, timeout=PEER_TIMEOUT))[1] if others else set()
    names = [repr(task) for task in pending]
    for task in pending:
        task.cancel()
    return names


def run(loop: asyncio.AbstractEventLoop, call: Any) -> Any:
    """Run the coroutine until it ends. After an interrupt, the loop continues. Return None if the coroutine fails."""
    task = loop.create_task(call)
    while not task.done():
        # RuntimeError: a callback of the run before, which the interrupt has left behind, stops this one.
        with contextlib.suppress(KeyboardInterrupt, OSError, RuntimeError):
            loop.run_until_complete(task)
    return None if task.cancelled() or task.exception() else task.result()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("over", ["plain", "tls", "lingering"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_interrupt_at_any_call_leaves_no_task_waiting(over: str, error: type[BaseException], tls: Certificates) -> None:
    certificates = tls if over == "tls" else None
    for number in itertools.count():
        interrupt = InterruptAtCall(number, error)
        loop = asyncio.SelectorEventLoop()
        loop.set_exception_handler(lambda *_: None)
        server = loop.run_until_complete(
            sluiceway.start_server(echo, "127.0.0.1", 0, ssl=certificates and certificates.server_context)
        )
        port = server.sockets[0].getsockname()[1]
        before = sys.gettrace()
        sys.settrace(interrupt)
        try:
            run(loop, ask(port, certificates, over == "lingering"))
        finally:
            sys.settrace(before)
        server.close()
        loop.create_task(server.wait_closed())
        pending = run(loop, pending_tasks())
        loop.close()
        assert not pending, f"interrupted at {interrupt.at}"
        if not interrupt.at:
            break
    assert number > 30
