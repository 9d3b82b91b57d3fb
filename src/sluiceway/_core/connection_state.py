"""ConnectionState: the state machine of a connection, and the flow control of its writing side.

| state   | meaning                                                                                          |
|---------|--------------------------------------------------------------------------------------------------|
| OPEN    | the program has not called close(), and the transport has not ended                              |
| CLOSING | the program called close() first; the transport sends its buffered data                          |
| ENDING  | the program called close() after the transport had started to close; the transport has not ended |
| LOST    | the transport has ended; the program has not called close()                                      |
| FAILED  | the transport has ended; the program called close() after the transport had started to close     |
| CLOSED  | the transport has ended after the program called close() first; wait_closed() does not raise     |

| event      | cause                                                                                      |
|------------|--------------------------------------------------------------------------------------------|
| CLOSE      | the program calls close(); the transport has not started to close, or does not report that |
| CLOSE_LATE | the program calls close(); the transport is closing or closed already                      |
| LOSE       | the transport has ended; reported once                                                     |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .receive_interface import ReceiverReference
from .write_flow_control import WriteFlowControl

if TYPE_CHECKING:
    import asyncio

OPEN: Final = "open"
CLOSING: Final = "closing"
ENDING: Final = "ending"
LOST: Final = "lost"
FAILED: Final = "failed"
CLOSED: Final = "closed"

CLOSE: Final = "close"
CLOSE_LATE: Final = "close late"
LOSE: Final = "lose"

TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    OPEN: {CLOSE: CLOSING, CLOSE_LATE: ENDING, LOSE: LOST},
    CLOSING: {CLOSE: CLOSING, CLOSE_LATE: CLOSING, LOSE: CLOSED},
    ENDING: {CLOSE: ENDING, CLOSE_LATE: ENDING, LOSE: FAILED},
    LOST: {CLOSE: FAILED, CLOSE_LATE: FAILED},
    FAILED: {CLOSE: FAILED, CLOSE_LATE: FAILED},
    CLOSED: {CLOSE: CLOSED, CLOSE_LATE: CLOSED},
}

# The values of closing, lost and closed_first in each state after OPEN.
_PROPERTIES: Final = {
    CLOSING: (True, False, True),
    ENDING: (True, False, False),
    LOST: (False, True, False),
    FAILED: (True, True, False),
    CLOSED: (True, True, True),
}


class IllegalTransitionError(AssertionError):
    """Raised for an event that is impossible in the current state, which is a bug in sluiceway."""


class ConnectionState(ReceiverReference):
    """The state of one connection.

    - ``state``: a state of the table in this module's docstring.
    - ``error``: the error that ended the transport, or None.
    - ``flow``: the WriteFlowControl, in which drain() waits.
    - ``loop_writer``: the LoopWriter of a loop's own transport, which corks writes; None for other transports, and if
      the loop has no Stepper, as in the pure core.
    - ``waiting_read``: the future of the read that waits, or None. Without this reference, the garbage collector could
      end a task that waits and that the program has not stored: the loop refers to tasks only weakly. If reads of
      several readers have waited at the same time, a list until all of them have ended: the future, unless the first of
      these reads has ended, and the Receivers of the others.
    - ``yields``: how many reads and drains yield to the event loop now, because the budget of their task is exhausted.
    - ``closing``: True if the program has called close().
    - ``lost``: True if the transport has ended.
    - ``closed_first``: True if the program called close() before the transport started to close.
    - ``discarding``: True if a write() must discard its data.

    ``closing``, ``lost``, ``closed_first`` and ``discarding`` are derived from ``state``.
    """

    __slots__ = (
        "closed_first",
        "closing",
        "discarding",
        "error",
        "flow",
        "loop_writer",
        "lost",
        "state",
        "waiting_read",
        "yields",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.receiver_ref: Any = None
        self.flow: WriteFlowControl = WriteFlowControl(loop)
        self.loop_writer: Any = None
        self.waiting_read: Any = None
        self.yields = 0
        self.state: str = OPEN
        self.error: BaseException | None = None
        self.closing: bool = False
        self.lost: bool = False
        self.closed_first: bool = False
        self.discarding: bool = False

    def apply(self, event: str) -> None:
        """Change to the next state. Raise IllegalTransitionError if ``event`` is impossible in the current state."""
        state = TRANSITIONS[self.state].get(event)
        if state is None:
            raise IllegalTransitionError(
                f"event {event!r} is impossible in state {self.state!r}: a bug in sluiceway; please report it"
            )
        self.state = state
        self.closing, self.lost, self.closed_first = _PROPERTIES[state]
        self.discarding = True

    def begin_closing(self, late: bool) -> None:
        """Record that the program calls close(). ``late``: True if the transport is closing or closed already."""
        self.apply(CLOSE_LATE if late else CLOSE)

    def mark_lost(self, error: BaseException | None) -> bool:
        """Record the end of the transport, with ``error`` or None. Return True, or False if it was recorded before."""
        if self.lost:
            return False
        self.apply(LOSE)
        self.error = error
        return True

    def uncork(self) -> None:
        """Pass corked data to write() of the loop's own transport. Called before other methods of that transport."""
        if self.loop_writer is not None:
            self.loop_writer.uncork()

    def share_transport(self) -> None:
        """Pass corked data to the loop's own transport, and cork nothing more.

        Called when the program gets access to the transport or its socket.
        """
        if self.loop_writer is not None:
            self.loop_writer.share()

    def close_error(self) -> BaseException | None:
        """Return the error that wait_closed() raises; None without an error, or if the program closed first."""
        return None if self.closed_first else self.error

    def describe(self) -> str:
        """Return how messages name this connection. Connection overrides the method, and adds both addresses."""
        return "connection"

    def loss(self) -> str:
        """Return the message of the error of drain() after the connection has ended. It starts with asyncio's text."""
        if self.closed_first:
            return f"Connection lost: this program has closed {self.describe()}"
        if self.error is not None:
            return f"Connection lost: {self.error}"
        return f"Connection lost: {self.describe()} has ended"

    def bound_close(self, seconds: float | None = None) -> None:
        """Start the close timeout; see ClosingState.bound_close, which overrides this method. Do nothing here."""

    def discarded(self, length: int) -> None:
        """Called by write() for each write that is discarded, with its ``length`` in bytes.

        Do nothing here. Connection overrides the method, and logs the first write that is not empty.
        """
