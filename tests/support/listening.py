"""A listening socket that tells what is done to it."""

import asyncio
import socket
from typing import Any


class ToldSocket(socket.socket):
    """Remembers the backlogs it was given and counts the calls of accept(); give it to ``start_server(sock=…)``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.backlogs: list[int] = []
        self.accepts = 0
        self._awaited: list[tuple[int, asyncio.Event]] = []

    def listen(self, backlog: int = 100, /) -> None:
        self.backlogs.append(backlog)
        super().listen(backlog)

    def accept(self) -> tuple[socket.socket, Any]:
        self.count()
        return super().accept()

    def count(self) -> None:
        """Count a call of accept(), and tell who waits for it."""
        self.accepts += 1
        for count, event in self._awaited:
            if self.accepts >= count:
                event.set()

    async def accepted(self, count: int) -> None:
        """Wait until accept() has been called ``count`` times."""
        event = asyncio.Event()
        self._awaited.append((count, event))
        if self.accepts < count:
            await event.wait()


def told_socket(family: int = socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> ToldSocket:
    """Return one that is bound, not listening."""
    sock = ToldSocket(family)
    sock.bind(address)
    return sock
