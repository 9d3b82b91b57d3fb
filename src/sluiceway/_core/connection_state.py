"""The one place that knows whether a connection is open, closing or closed, and why."""

from __future__ import annotations


class ConnectionState:
    """Open until ``closing`` (our side asked for the end) or ``lost`` (the transport is gone).

    ``error`` is what the transport was lost with. ``closed_first`` says that our close came before the loss: whatever
    the peer did after that is no longer our caller's concern (contract X1).
    """

    __slots__ = ("closed_first", "closing", "discarding", "error", "lost")

    def __init__(self) -> None:
        self.closing = False
        self.lost = False
        self.closed_first = False
        self.error: BaseException | None = None
        # One attribute for the writer to look at before every write.
        self.discarding = False

    def begin_closing(self, ended_before: bool) -> None:
        """Our side wants the end. ``ended_before``: the transport had begun to end before, by itself."""
        if not self.closing:
            self.closing = True
            self.closed_first = not self.lost and not ended_before
            self.discarding = True

    def mark_lost(self, error: BaseException | None) -> bool:
        """The transport is gone. False if it had been before."""
        if self.lost:
            return False
        self.lost = True
        self.error = error
        self.discarding = True
        return True

    def verdict(self) -> BaseException | None:
        """What ``wait_closed`` raises once the connection is lost."""
        return None if self.closed_first else self.error

    def discarded(self, length: int) -> None:
        """``length`` bytes were written that go nowhere any more."""
