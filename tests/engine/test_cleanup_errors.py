"""When one step of the cleanup of a lost connection raises, the later steps run and the exception is reported once."""

import asyncio
import socket
from typing import Any

import pytest

import sluiceway
from support import file_descriptors
from support.scheduling import run_iterations


class RaisingSocket(socket.socket):
    """Raises in the method named by ``failing``: ``close()``, after closing the descriptor, or ``getsockname()``."""

    failing = ""

    def close(self) -> None:
        super().close()
        if self.failing == "close":
            raise OSError("close")

    def getsockname(self) -> Any:
        if self.failing == "getsockname":
            raise RuntimeError("getsockname")
        return super().getsockname()


class Protocol(asyncio.Protocol):
    failing = ""

    def connection_lost(self, exc: Exception | None) -> None:
        if self.failing == "connection_lost":
            raise RuntimeError("connection_lost")


@pytest.mark.parametrize("failing", ["connection_lost", "getsockname", "close"])
async def test_cleanup_completes_although_one_step_raises(loop_errors: list[dict[str, Any]], failing: str):
    before = file_descriptors.open_descriptors()
    near, far = socket.socketpair()
    sock = RaisingSocket(near.family, near.type, near.proto, near.detach())
    reader, writer = await sluiceway.open_unix_connection(sock=sock)
    transport = writer.transport
    streams = transport.get_protocol()
    protocol = Protocol()
    transport.set_protocol(protocol)
    protocol.failing = sock.failing = failing
    transport.abort()
    await run_iterations()
    assert [str(context["exception"]) for context in loop_errors] == [failing]
    loop_errors.clear()
    assert sock.fileno() == -1
    assert transport.get_protocol() is None
    far.close()
    sock.failing = ""
    # Including the epoll descriptor of the poller.
    assert file_descriptors.open_descriptors() == before
    streams.connection_lost(None)
    writer.close()
    await writer.wait_closed()
    del reader
