"""The driver's side of the gate: the server runs only between `go()` and the next `arrived()`.

The driver sends only while the server is stopped at the gate. So the ready sockets of each poll depend only on the
scenario, not on the scheduler.
"""

from __future__ import annotations

import socket
from typing import Final

# A round takes at most a few seconds, even under valgrind on a busy machine.
PATIENCE_SECONDS: Final = 120.0


class FailedError(Exception):
    """A measurement has failed. The message is for the user."""


class Gate:
    """One end of a socket pair. The server has the other end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.settimeout(PATIENCE_SECONDS)

    def arrived(self) -> None:
        """Wait until the server would sleep. FailedError if it exits or exceeds the time limit."""
        try:
            answer = self._end.recv(1)
        except TimeoutError:
            raise FailedError(f"the server did not become idle within {PATIENCE_SECONDS:.0f} seconds") from None
        except ConnectionError:
            answer = b""
        if not answer:
            raise FailedError("the server exited during the measurement")

    def begin(self) -> None:
        """Start counting at the next `go()`."""
        self._end.sendall(b"m")

    def end(self) -> None:
        """Stop counting."""
        self._end.sendall(b"e")

    def turn(self) -> None:
        """Let the server run until it would sleep again."""
        self._end.sendall(b"g")
        self.arrived()
