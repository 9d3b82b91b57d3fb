"""The write queue: bytes that wait to be sent, in order, with O(1) operations at both ends.

Invariants, true between any two calls:

- ``pieces[head:]`` are the pieces that wait, none of them empty; ``pieces[:head]`` are None.
- ``offset`` is how much of ``pieces[head]`` has been sent; it is less than the length of that piece, and 0 where
  nothing waits.
- ``size`` is the sum of the lengths of the pieces that wait, less ``offset``.
- ``head`` is at most ``_COMPACT`` or half of ``len(pieces)``. Removing the front of the list moves no more pieces
  than were sent since the last time, so each piece costs O(1) in all.
"""

from __future__ import annotations

from typing import Any

_COMPACT = 64


class WriteQueue:
    """``size``: bytes that wait."""

    __slots__ = ("head", "offset", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.head = 0
        self.offset = 0
        self.size = 0

    def append(self, piece: bytes) -> None:
        """Add ``piece``, which is not empty, at the end."""
        self.pieces.append(piece)
        self.size += len(piece)

    def first(self) -> memoryview:
        """The part of the first piece that was not sent. Only where something waits."""
        return memoryview(self.pieces[self.head])[self.offset :]

    def waiting(self) -> list[Any]:
        """Everything that was not sent, as memoryviews."""
        waiting = [memoryview(piece) for piece in self.pieces[self.head :]]
        if waiting:
            waiting[0] = self.first()
        return waiting

    def advance(self, n: int) -> None:
        """The first ``n`` bytes were sent; no more than wait."""
        if n == self.size:
            self.clear()
            return
        self.size -= n
        pieces = self.pieces
        head = self.head
        n += self.offset
        while True:
            length = len(pieces[head])
            if n < length:
                break
            n -= length
            pieces[head] = None
            head += 1
        self.offset = n
        if head > _COMPACT and 2 * head > len(pieces):
            del pieces[:head]
            head = 0
        self.head = head

    def clear(self) -> None:
        """Forget everything that waits."""
        self.pieces.clear()
        self.head = self.offset = self.size = 0
