"""The cooperative budget: how many operations in a row may complete without waiting.

A coroutine that never has to wait would starve the other tasks of its loop.
"""

from __future__ import annotations

from .._constants import FREE_OPERATIONS

# The compiled variant keeps this as a number.
_FREE_OPERATIONS = FREE_OPERATIONS


class Budget:
    """``used``: reads and drains of a connection since the last one that waited or yielded."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0

    def spend_read(self) -> bool:
        """Count a read. True if the budget is exhausted: the read must yield to the loop first."""
        self.used += 1
        return self.used > _FREE_OPERATIONS

    def spend_drain(self) -> bool:
        """Count a drain. True if the budget is exhausted; where only drains are made, it is twice as large."""
        self.used += 1
        if self.used <= 2 * _FREE_OPERATIONS:
            return False
        self.used = 0
        return True
