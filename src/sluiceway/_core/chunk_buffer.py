"""Received bytes, as a queue of chunks with an offset into the first.

A chunk is handed over as it came where the reader wants all of it; no byte is ever moved to the front. Arrivals of a
few bytes are gathered in the last chunk, since a queue of 2-byte chunks takes 29 times its payload, and a dripping peer
would make use of that. A search starts where the caller says and never looks at a byte before it.

Invariants, true between any two calls:

- ``_chunks[_head:]`` are the chunks with unread bytes; ``_chunks[:_head]`` are None. Where nothing is unread,
  ``_chunks`` is empty and ``_head`` is 0.
- ``_head`` is at most ``_COMPACT`` or half of ``len(_chunks)``. Removing the front of the list moves no more chunks
  than were taken since the last time, so each chunk costs O(1) in all.
"""

from __future__ import annotations

from typing import Any

from .._constants import CHUNK_COST, FREE_CHUNK_COST, MERGE_BELOW, TAIL_MAXIMUM
from . import search

# The compiled variant keeps these as numbers.
_MERGE_BELOW = MERGE_BELOW
_TAIL_MAXIMUM = TAIL_MAXIMUM
_CHUNK_COST = CHUNK_COST
_FREE_CHUNK_COST = FREE_CHUNK_COST
_COMPACT = 64


class ChunkBuffer:
    """Unread bytes in order. ``size()`` is their number; ``waste`` the bytes in memory that were read already."""

    __slots__ = ("_chunks", "_head", "_searched", "_searched_for", "_size", "waste")

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._head = 0
        self._size = 0
        self.waste = 0
        # What the last search without a result looked for, and where the next one for the same begins; any read clears
        # it. A read that is cancelled and repeated while its peer sends single bytes would search all over again.
        self._searched_for: object = None
        self._searched = 0

    def size(self) -> int:
        """The number of unread bytes."""
        return self._size

    def searched(self, patterns: tuple[bytes, ...], waited: bool) -> int:
        """Where a search for ``patterns`` has to begin: everything before is known to hold none of them.

        ``waited``: the same read has searched before, and then waited.
        """
        return self._searched if self._searched and self._searched_for == patterns else 0

    def remember_search(self, patterns: tuple[bytes, ...], end: int) -> None:
        """None of ``patterns`` begins before ``end``."""
        self._searched_for = patterns
        self._searched = end

    def excess(self) -> int:
        """Bytes of memory held beyond the unread ones and what contract R3 leaves for the cost of holding them."""
        cost = (len(self._chunks) - self._head) * _CHUNK_COST
        return self.waste + (cost - _FREE_CHUNK_COST if cost > _FREE_CHUNK_COST else 0)

    def append(self, data: bytes) -> int:
        """Add ``data``, which must not change afterwards, at the end; returns size() + excess()."""
        chunks = self._chunks
        length = len(data)
        self._size += length
        if not chunks:
            chunks.append(data)
            return length
        tail = chunks[-1]
        tail_length = len(tail)
        if (length < _MERGE_BELOW or tail_length < _MERGE_BELOW) and tail_length + length <= _TAIL_MAXIMUM:
            if type(tail) is bytearray:
                tail += data
            else:
                if len(chunks) - self._head == 1:
                    self.compact()
                chunks[-1] = bytearray(chunks[-1])
                chunks[-1] += data
            return self._size + self.excess()
        if type(tail) is bytearray:
            # Closed: what it reserved to grow is given back.
            if len(chunks) - self._head == 1:
                self.compact()
            chunks[-1] = bytes(chunks[-1])
        chunks.append(data)
        return self._size + self.excess()

    def compact(self) -> None:
        """Give back the memory of bytes that were read. Costs a copy of the first chunk's rest."""
        if self.waste:
            self._chunks[self._head] = self._chunks[self._head][self.waste :]
            self.waste = 0

    def direct(self, size: int) -> Any:
        """Memory inside the result of a large read for the next ``size`` bytes, for as many as fit where it is 0.

        None where this buffer has none; then the bytes are given to ``append``.
        """
        return None

    def direct_committed(self, n: int) -> None:
        """The first ``n`` bytes of that memory were received."""
        raise NotImplementedError

    def plain_buffer(self) -> ChunkBuffer:
        """The buffer to go on with when a read has ended: this one, unless it was made for that read."""
        return self

    def clear(self) -> None:
        """Forget every unread byte."""
        self._chunks.clear()
        self._size = self._head = self.waste = self._searched = 0

    def take(self, n: int) -> bytes:
        """Remove and return the first ``n`` bytes, or all where there are fewer."""
        if not n:
            return b""
        if n >= self._size:
            return self.take_all()
        chunks = self._chunks
        index = self._head
        first = chunks[index]
        start = self.waste
        end = start + n
        length = len(first)
        if end <= length:
            result = search.cut(first, start, end)
            if end == length:
                index += 1
                end = 0
        else:
            pieces = [memoryview(first)[start:]]
            end -= length
            index += 1
            while end >= len(chunks[index]):
                pieces.append(memoryview(chunks[index]))
                end -= len(chunks[index])
                index += 1
            if end:
                pieces.append(memoryview(chunks[index])[:end])
            result = b"".join(pieces)
        # Nothing fails from here on: a take that fails has taken nothing.
        self._size -= n
        self._searched = 0
        self.waste = end
        if index != self._head:
            self._drop(index)
        return result

    def _drop(self, head: int) -> None:
        """Release the chunks before ``head``, all of which were read."""
        chunks = self._chunks
        for index in range(self._head, head):
            chunks[index] = None
        if head > _COMPACT and 2 * head > len(chunks):
            del chunks[:head]
            head = 0
        self._head = head

    def take_all(self) -> bytes:
        """Remove and return everything."""
        chunks = self._chunks
        if len(chunks) == 1:
            whole = search.cut(chunks[0], self.waste, self.waste + self._size)
            self.clear()
            return whole
        self.compact()
        result = b"".join(chunks[self._head :])
        self.clear()
        return result

    def matches(self, pattern: bytes, at: int) -> bool:
        """Whether the unread bytes go on with ``pattern`` at offset ``at``."""
        at += self.waste
        wanted = pattern
        for index in range(self._head, len(self._chunks)):
            chunk = self._chunks[index]
            if at >= len(chunk):
                at -= len(chunk)
                continue
            have = chunk[at : at + len(wanted)]
            if not wanted.startswith(have):
                return False
            wanted = wanted[len(have) :]
            if not wanted:
                return True
            at = 0
        return False

    def find(self, pattern: bytes, start: int) -> int:
        """The offset of the first ``pattern`` that begins at or after ``start``, or -1."""
        chunks = self._chunks
        if len(chunks) == 1:
            found = search.find_in(chunks[0], pattern, self.waste + start)
            return found if found < 0 else found - self.waste
        # The part of interest is nearly always the newest, so the chunk to begin with is sought from the end.
        index = len(chunks)
        base = self._size
        while index > self._head and base > start:
            index -= 1
            base -= len(chunks[index])
        overlap = len(pattern) - 1
        before = b""
        while index < len(chunks):
            chunk = chunks[index]
            low = max(start - base, 0)
            if before:
                found = search.find_in(before + chunk[:overlap], pattern, 0)
                if found >= 0:
                    return base - len(before) + found
            found = search.find_in(chunk, pattern, low)
            if found >= 0:
                return base + found
            if overlap:
                before = bytes(before + chunk[max(low, len(chunk) - overlap) :])[-overlap:]
            base += len(chunk)
            index += 1
        return -1
