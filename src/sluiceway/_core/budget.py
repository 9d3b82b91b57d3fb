"""The cooperative budget: how many consecutive operations may complete without waiting.

Without it, a coroutine that never waits would starve the other tasks of its loop.
"""

from __future__ import annotations

from .._constants import FREE_OPERATIONS

# A C integer in the compiled build.
_FREE_OPERATIONS = FREE_OPERATIONS


class Budget:
    """Counts the operations of one connection.

    ``used``: the number of reads and drains since the last one that waited or yielded to the loop.
    """

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0

    def spend_read(self) -> bool:
        """Count a read. Returns True if the budget is exhausted and the read must yield to the loop first."""
        self.used += 1
        return self.used > _FREE_OPERATIONS

    def spend_drain(self) -> bool:
        """Count a drain. Returns True if the budget is exhausted. Without reads, the budget is twice as large."""
        self.used += 1
        if self.used <= 2 * _FREE_OPERATIONS:
            return False
        self.used = 0
        return True
