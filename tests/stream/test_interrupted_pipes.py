"""A signal handler that raises when the transport of a pipe was just created leaves no closed file watched.

If uvloop watches a file that was closed, it ends the process.
"""

import asyncio
import os
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
