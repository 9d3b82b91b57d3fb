"""The driver's side of the gate: the server runs only between `go()` and the next `arrived()`.

The driver sends only while the server is at the gate. So the sockets that a poll finds ready depend on the scenario
alone, not on the scheduler.
"""

from __future__ import annotations

import socket
from typing import Final

# Under valgrind, on a machine whose cores are busy, a round takes seconds at most.
PATIENCE_SECONDS: Final = 120.0


class FailedError(Exception):
    """A measurement failed; the message is what the user reads."""


class Gate:
    """One end of a socket pair; the server has the other."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.settimeout(PATIENCE_SECONDS)

    def arrived(self) -> None:
        """Wait until the server would sleep. Raise FailedError if it ends, or runs for too long."""
        try:
            answer = self._end.recv(1)
        except TimeoutError:
            raise FailedError(f"the server did not become idle within {PATIENCE_SECONDS:.0f} seconds") from None
        except ConnectionError:
            answer = b""
        if not answer:
            raise FailedError("the server ended in the middle of the measurement")

    def begin(self) -> None:
        """Count from the next `go()` on."""
        self._end.sendall(b"m")

    def end(self) -> None:
        """Count no more."""
        self._end.sendall(b"e")

    def turn(self) -> None:
        """Let the server run until it would sleep again."""
        self._end.sendall(b"g")
        self.arrived()
