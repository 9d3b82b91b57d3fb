"""The cooperative budget: how many consecutive reads and drains of a connection may complete without a wait.

Without a budget, a coroutine that never waits would starve the other tasks of its event loop.
"""

from __future__ import annotations

from .._constants import FREE_OPERATIONS

# A C integer in the compiled build.
_FREE_OPERATIONS = FREE_OPERATIONS


class Budget:
    """Counts the reads and drains of one connection.

    ``used``: the number of reads and drains since the last read that waited, or the last yield to the event loop.
    """

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0

    def spend_read(self) -> bool:
        """Count a read. Return True if the budget is exhausted, so that the read must yield to the event loop first."""
        self.used += 1
        return self.used > _FREE_OPERATIONS

    def renew_for_drain(self) -> bool:
        """Return True, and renew the budget, if a drain must yield to the loop: after twice as many drains as reads."""
        if self.used <= 2 * _FREE_OPERATIONS:
            return False
        self.used = 0
        return True
