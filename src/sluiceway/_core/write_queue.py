"""WriteQueue: unsent bytes in order, with O(1) operations at both ends.

Invariants, true between any two calls:

- ``pieces[head:]`` are the unsent pieces, none of them empty; ``pieces[:head]`` are None.
- ``offset`` is the number of bytes of ``pieces[head]`` that were sent. It is less than the length of that piece, and 0
  if the queue is empty.
- ``size`` is the sum of the lengths of the unsent pieces, minus ``offset``.
- ``head`` is at most ``_COMPACT``, or at most half of ``len(pieces)``. Removing the front of the list moves at most as
  many pieces as were sent since the previous removal, so the amortized cost of each piece is O(1).
"""

from __future__ import annotations

from typing import Any

from . import search

_COMPACT = 64


class WriteQueue:
    """A queue of unsent bytes. ``size``: their number.

    ``discarded``: the number of bytes that will never be sent. discard() adds those that it removes. A transport adds
    those that it drops instead of appending them.
    """

    __slots__ = ("discarded", "head", "offset", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.head = 0
        self.offset = 0
        self.size = 0
        self.discarded = 0

    def append(self, piece: bytes) -> None:
        """Append the bytes object ``piece``, which must not be empty."""
        self.pieces.append(piece)
        self.size += len(piece)

    def prepend(self, piece: bytes) -> None:
        """Put the bytes object ``piece``, which must not be empty, before all others. ``offset`` must be 0."""
        self.pieces.insert(self.head, piece)
        self.size += len(piece)

    def first(self) -> memoryview:
        """Return the unsent part of the first piece. The queue must not be empty."""
        return memoryview(self.pieces[self.head])[self.offset :]

    def front(self, most: int) -> Any:
        """Return the first ``most`` bytes, or all bytes if there are fewer. They stay in the queue.

        If the first piece contains them all, the result is that piece or a memoryview of it. Otherwise they are copied
        into one bytes object. The queue must not be empty.
        """
        pieces = self.pieces
        head = self.head
        offset = self.offset
        piece = pieces[head]
        size = min(most, self.size)
        if offset + size > len(piece):
            return search.gather(pieces, head, offset, size)
        if size == len(piece):
            return piece
        return memoryview(piece)[offset : offset + size]

    def waiting(self) -> list[Any]:
        """Return all unsent bytes in order, as a list of memoryviews."""
        waiting: list[Any] = []
        index = self.head
        offset = self.offset
        # No slice of the list: on CPython 3.11, its allocation may start a collection, whose finalizers may write.
        while index < len(self.pieces):
            waiting.append(memoryview(self.pieces[index])[offset:])
            offset = 0
            index += 1
        return waiting

    def advance(self, n: int) -> None:
        """Remove the first ``n`` bytes, which were sent. ``n`` must not exceed ``size``."""
        if n == self.size:
            self.clear()
            return
        size = self.size - n
        pieces = self.pieces
        first = head = self.head
        n += self.offset
        while True:
            length = len(pieces[head])
            if n < length:
                break
            n -= length
            head += 1
        # Assigned before the statements below, which may raise MemoryError: the bytes were sent.
        self.size = size
        self.offset = n
        self.head = head
        for index in range(first, head):
            pieces[index] = None
        if head > _COMPACT and 2 * head > len(pieces):
            try:
                search.drop_first(pieces, head)
            except MemoryError:
                # A later call removes them.
                return
            self.head = 0

    def discard(self) -> None:
        """Remove all bytes, which will not be sent, and add their number to ``discarded``."""
        self.discarded += self.size
        self.clear()

    def clear(self) -> None:
        """Remove all bytes. ``discarded`` does not change."""
        search.clear_list(self.pieces)
        self.head = self.offset = self.size = 0
