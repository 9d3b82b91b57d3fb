"""A signal handler that raises during a connect leaves no watch of the socket on the loop.

If uvloop watches a socket that was closed, it ends the process. On uvloop, and for IPv6 addresses with a scope id, the
package watches the socket itself.
"""

import asyncio
import socket
from typing import Any

import pytest

from sluiceway._net.connect_tcp import _connect_directly


class InterruptError(BaseException):
    """What the signal handler raises."""


@pytest.mark.parametrize("method", ["add_writer", "remove_writer"])
async def test_interrupt_of_a_connect_leaves_no_watch(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop: Any = asyncio.get_running_loop()
    original = getattr(loop, method)

    def call(*args: Any) -> None:
        monkeypatch.undo()
        if method == "add_writer":
            original(*args)
        raise InterruptError

    monkeypatch.setattr(loop, method, call)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(InterruptError):
            await _connect_directly(sock, listener.getsockname())
        assert not loop.remove_writer(sock.fileno())
