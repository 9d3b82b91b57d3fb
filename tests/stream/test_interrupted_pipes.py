"""A signal handler that raises when the transport of a pipe was just created leaves no closed file watched.

If uvloop watches a file that was closed, it ends the process.
"""

import asyncio
import os
import sys
from typing import Any

import pytest

import sluiceway
from sluiceway._transports.pipe_transports import PipeReadTransport
from sluiceway.stream import pipe_halves


class InterruptError(BaseException):
    """What the signal handler raises."""


async def test_interrupt_after_the_creation_of_a_pipe_transport_leaves_no_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    created = []

    def create(*args: Any) -> Any:
        created.append(PipeReadTransport(*args)._fd)
        raise InterruptError

    monkeypatch.setattr(pipe_halves, "PipeReadTransport", create)
    reading, writing = os.pipe()
    try:
        with pytest.raises(InterruptError):
            await sluiceway.pipe(reading)
        assert not asyncio.get_running_loop().remove_reader(created[0])
    finally:
        os.close(writing)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has eventfd")
@pytest.mark.parametrize("error", [InterruptError, TimeoutError])
@pytest.mark.parametrize("method", ["add_reader", "remove_reader"])
async def test_interrupt_of_the_test_whether_the_loop_can_watch_a_device_leaves_no_watch(
    method: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop: Any = asyncio.get_running_loop()
    original = getattr(loop, method)
    descriptor = os.eventfd(0)

    def call(*args: Any) -> None:
        assert args[0] == descriptor
        monkeypatch.undo()
        if method == "add_reader":
            original(*args)
        raise error

    monkeypatch.setattr(loop, method, call)
    with pytest.raises(error):
        await sluiceway.pipe(descriptor)
    assert not loop.remove_reader(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)
