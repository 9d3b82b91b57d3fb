"""A listening socket that records the calls of listen() and accept()."""

import asyncio
import socket
from typing import Any


class RecordingSocket(socket.socket):
    """Records the backlogs of listen() and counts the calls of accept(); give it to ``start_server(sock=…)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.backlogs: list[int] = []
        self.accepts = 0
        self._awaited: list[tuple[int, asyncio.Event]] = []

    def listen(self, backlog: int = 100, /) -> None:
        self.backlogs.append(backlog)
        super().listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        self.record_accept()
        return super().accept()

    def record_accept(self) -> None:
        """Count a call of accept(), and wake its waiters."""
        self.accepts += 1
        for count, event in self._awaited:
            if self.accepts >= count:
                event.set()

    async def wait_for_accepts(self, count: int) -> None:
        """Wait until accept() has been called ``count`` times."""
        event = asyncio.Event()
        self._awaited.append((count, event))
        if self.accepts < count:
            await event.wait()


def bound_recording_socket(family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> RecordingSocket:
    """Return a RecordingSocket that is bound, not listening."""
    sock = RecordingSocket(family)
    sock.bind(address)
    return sock
