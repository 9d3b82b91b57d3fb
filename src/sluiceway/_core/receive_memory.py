"""Memory that bytes are received into: the pure variant, over memoryviews.

``_core_c/receive_memory.pyx`` has the same names, over pointers. Only pointers can receive into the bytes object that a
read returns: here ``block()`` returns None.
"""

from __future__ import annotations

from typing import Any


class Scratch:
    """Memory that the connections of a loop receive into, one after the other."""

    __slots__ = ("_part", "_size", "_whole")

    def __init__(self, size: int) -> None:
        self._whole = memoryview(bytearray(size))
        self._part = self._whole
        self._size = size

    def part(self, size: int) -> memoryview:
        """The first ``size`` bytes, or all where there are fewer."""
        if size != self._size:
            # Most arrivals find an empty reader and get the same room as the last.
            self._size = size
            self._part = self._whole[:size]
        return self._part

    def take(self, n: int) -> bytes:
        """A copy of the first ``n`` bytes."""
        return bytes(self._whole[:n])

    def view(self, n: int) -> memoryview:
        """The first ``n`` bytes themselves, until the next arrival."""
        return self._whole[:n]


def block(size: int) -> Any:
    """Memory that becomes the bytes object itself; None in the pure core."""
    return None


def borrow(buffer: Any) -> memoryview:
    """The memory of a buffer that a program lends, as bytes."""
    return memoryview(buffer).cast("B")


def release(memory: memoryview) -> None:
    """Return borrowed memory."""
    memory.release()
