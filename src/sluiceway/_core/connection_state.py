"""The state of a connection: a state machine, and flow control of its writing side.

| state   | meaning                                                                                       |
|---------|-----------------------------------------------------------------------------------------------|
| OPEN    | bytes flow                                                                                    |
| CLOSING | the program closed first; the transport sends what is buffered                                |
| ENDING  | the transport began to end by itself, then the program closed                                 |
| LOST    | the transport is gone; the program has not closed                                             |
| FAILED  | the transport is gone, by itself; the program has closed                                      |
| CLOSED  | the transport is gone, as the program asked; what the peer did after the close is not reported |

| event      | cause                                                              |
|------------|--------------------------------------------------------------------|
| CLOSE      | the program closes an open transport                               |
| CLOSE_LATE | the program closes when the transport has begun to end by itself   |
| LOSE       | the transport is gone; it is reported once                         |
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

# Of each state that an event leads to: closing, lost, closed_first.
_PROPERTIES: Final = {
    CLOSING: (True, False, True),
    ENDING: (True, False, False),
    LOST: (False, True, False),
    FAILED: (True, True, False),
    CLOSED: (True, True, True),
}


class IllegalTransitionError(AssertionError):
    """An event in a state that it cannot happen in: a defect of sluiceway."""


class ConnectionState(ReceiverReference):
    """``state``: one of the table above. ``error``: what the transport was lost with, or None.

    ``discarding``: nothing that is written is sent any more; every write looks at it. ``flow``: what drains wait for.

    ``closing``: the program has closed. ``lost``: the transport is gone. ``closed_first``: the program closed before
    the transport began to end. Like ``discarding`` they follow from the state.
    """

    __slots__ = ("closed_first", "closing", "discarding", "error", "flow", "lost", "state")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.receiver_ref: Any = None
        self.flow: WriteFlowControl = WriteFlowControl(loop)
        self.state: str = OPEN
        self.error: BaseException | None = None
        self.closing: bool = False
        self.lost: bool = False
        self.closed_first: bool = False
        self.discarding: bool = False

    def apply(self, event: str) -> None:
        """Go to the next state. IllegalTransitionError where ``event`` cannot happen in this one."""
        state = TRANSITIONS[self.state].get(event)
        if state is None:
            raise IllegalTransitionError(f"event {event!r} in state {self.state!r}")
        self.state = state
        self.closing, self.lost, self.closed_first = _PROPERTIES[state]
        self.discarding = True

    def begin_closing(self, late: bool) -> None:
        """The program closes. ``late``: the transport had begun to end before, by itself."""
        self.apply(CLOSE_LATE if late else CLOSE)

    def mark_lost(self, error: BaseException | None) -> bool:
        """The transport is gone. False if that was known before."""
        if self.lost:
            return False
        self.apply(LOSE)
        self.error = error
        return True

    def close_error(self) -> BaseException | None:
        """What ``wait_closed`` raises once the connection is lost."""
        return None if self.closed_first else self.error

    def bound_close(self, seconds: float | None = None) -> None:
        """Bound the time in which the transport makes no progress while it is closing, by ``seconds`` or less."""

    def discarded(self, length: int) -> None:
        """``length`` bytes were written that are not sent."""
