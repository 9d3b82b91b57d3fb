"""Memory for received bytes: the pure variant, with memoryviews.

``_core_c/receive_memory.pyx`` has the same names, with pointers. Only C code can receive into the bytes object that a
read returns, so ``block()`` returns None here.
"""

from __future__ import annotations

from typing import Any


class Scratch:
    """The receive buffer that all connections of a loop share. Each receive overwrites the previous one."""

    __slots__ = ("_part", "_size", "_whole")

    def __init__(self, size: int) -> None:
        self._whole = memoryview(bytearray(size))
        self._part = self._whole
        self._size = size

    def part(self, size: int) -> memoryview:
        """Return a view of the first ``size`` bytes, or of all if there are fewer."""
        if size != self._size:
            # The size rarely changes, because most receives find an empty reader.
            self._size = size
            self._part = self._whole[:size]
        return self._part

    def take(self, n: int) -> bytes:
        """Return a copy of the first ``n`` bytes."""
        return bytes(self._whole[:n])

    def view(self, n: int) -> memoryview:
        """Return a view of the first ``n`` bytes, valid until the next receive."""
        return self._whole[:n]


def block(size: int) -> Any:
    """Return memory that becomes a bytes object without a copy. None in the pure core."""
    return None


def borrow(buffer: Any) -> memoryview:
    """Return a view of a program's buffer as bytes."""
    return memoryview(buffer).cast("B")


def release(memory: memoryview) -> None:
    """Release a view that ``borrow`` returned."""
    memory.release()
