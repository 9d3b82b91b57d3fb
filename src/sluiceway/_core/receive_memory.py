"""Memory for received bytes: the pure variant, with memoryviews.

``_core_c/receive_memory.pyx`` has the same names, with pointers. Only C code can receive into the bytes object that a
read returns, so ``block()`` of this variant returns None.
"""

from __future__ import annotations

import weakref
from typing import Any


class Scratch:
    """The receive buffer of a loop or of one connection. Each receive overwrites the previous one."""

    __slots__ = ("_capacity", "_part", "_size", "_view", "_whole")

    def __init__(self, size: int) -> None:
        self._capacity = size
        self._allocate()

    def _allocate(self) -> None:
        self._whole = memoryview(bytearray(self._capacity))
        self._part = self._whole
        self._size = self._capacity
        self._view: weakref.ref[memoryview] | None = None

    def part(self, size: int) -> memoryview:
        """Return memory for at most ``size`` bytes, which later receives overwrite."""
        if self._view is not None and self._view() is not None:
            # A loop nested in the use of a view receives into other memory.
            self._allocate()
        if size != self._size:
            # The size rarely changes, because most receives find an empty reader.
            self._size = size
            self._part = self._whole[:size]
        return self._part

    def take(self, n: int) -> bytes:
        """Return a copy of the first ``n`` bytes, which were received last."""
        return self._whole[:n].tobytes()

    def view(self, n: int) -> memoryview:
        """Return a view of the first ``n`` bytes, received last. While the view exists, part() returns other memory."""
        view = self._whole[:n]
        self._view = weakref.ref(view)
        return view


def block(size: int) -> Any:
    """Return a Block, memory of ``size`` bytes that becomes a read's result without a copy: None in this variant."""
    return None


def borrow(buffer: Any) -> memoryview:
    """Return a view of the bytes of ``buffer``, which belongs to the program."""
    return memoryview(buffer).cast("B")


def release(memory: memoryview) -> None:
    """Release a view that ``borrow`` returned."""
    memory.release()
