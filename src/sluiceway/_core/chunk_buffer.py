"""ChunkBuffer: received bytes as a queue of chunks, with an offset into the first chunk.

A read that takes a whole chunk returns the received bytes object without a copy. No read moves the rest to the front.
Small chunks are appended to the previous chunk: a queue of 2-byte chunks would take 29 times the memory of its payload,
which a peer could exploit. A search starts at an offset that the caller passes, and reads no byte before this offset.

Invariants, true between any two calls:

- ``_chunks[_head:]`` are the chunks with unread bytes; ``_chunks[:_head]`` are None. If all bytes were read,
  ``_chunks`` is empty and ``_head`` is 0.
- ``_head`` is at most ``_COMPACT`` or half of ``len(_chunks)``. Removing the front of the list moves at most as many
  chunks as were taken since the previous removal, so the amortized cost of each chunk is O(1).

In the compiled build, a method that appends, takes or searches bytes creates no object that the garbage collector
tracks, such as a list, a memoryview, a slice or a tuple of arguments: on CPython 3.11, each such allocation may start a
collection, whose finalizers may use the reader. Windows has no memmem(): there, some searches create a tuple.
"""

from __future__ import annotations

from typing import Any

from .._constants import CHUNK_COST, FREE_CHUNK_COST, MERGE_BELOW, TAIL_MAXIMUM
from . import search

# C integers in the compiled build.
_MERGE_BELOW = MERGE_BELOW
_TAIL_MAXIMUM = TAIL_MAXIMUM
_CHUNK_COST = CHUNK_COST
_FREE_CHUNK_COST = FREE_CHUNK_COST
_COMPACT = 64


class ChunkBuffer:
    """A queue of unread bytes.

    ``unread``: the number of unread bytes; -1 in a derived class, whose size() must be called. ``waste``: the number of
    bytes of the first chunk that were read, but not freed.
    """

    __slots__ = ("_chunks", "_head", "_searched", "_searched_for", "unread", "waste")

    def __init__(self) -> None:
        self._chunks: list[Any] = []
        self._head = 0
        self.unread = 0
        self.waste = 0
        # The patterns of the last search, and the offset where the next search for them starts. A read that takes bytes
        # sets the offset to 0. Without the offset, a read that is cancelled and repeated would search all bytes again.
        self._searched_for: object = None
        self._searched = 0

    def size(self) -> int:
        """Return the number of unread bytes."""
        return self.unread

    def searched(self, patterns: tuple[bytes, ...], waited: bool) -> int:
        """Return the offset from which to search for ``patterns``: none of them begins before this offset.

        ``waited``: True if the read that searches has waited since its previous search. Only a BytearrayBuffer, which
        the program may change between two reads, uses this argument.
        """
        return self._searched if self._searched and self._searched_for == patterns else 0

    def remember_search(self, patterns: tuple[bytes, ...], end: int) -> None:
        """Record that none of ``patterns`` begins before the offset ``end``, for the next searched()."""
        self._searched_for = patterns
        self._searched = end

    def excess(self) -> int:
        """Return how many bytes of memory this buffer takes in addition to the unread bytes.

        These are the bytes that were read but not freed, and the overhead of the chunks, of which the first
        FREE_CHUNK_COST bytes do not count.
        """
        cost = (len(self._chunks) - self._head) * _CHUNK_COST
        return self.waste + (cost - _FREE_CHUNK_COST if cost > _FREE_CHUNK_COST else 0)

    def append(self, data: bytes) -> int:
        """Append ``data``, which is not empty. Return size() + excess()."""
        chunks = self._chunks
        length = len(data)
        # Stored in ``unread`` last: a statement before may raise MemoryError, and then the data is not in the buffer.
        size = self.unread + length
        if not chunks:
            chunks.append(data)
            self.unread = size
            return length
        tail = chunks[-1]
        tail_length = len(tail)
        if (length < _MERGE_BELOW or tail_length < _MERGE_BELOW) and tail_length + length <= _TAIL_MAXIMUM:
            if type(tail) is bytearray:
                try:
                    tail += data
                except MemoryError:
                    self._uncount_tail(tail_length)
                    raise
            else:
                if len(chunks) - self._head == 1:
                    self.compact()
                chunks[-1] = search.joined(chunks[-1], data)
            self.unread = size
            return self.unread + self.excess()
        if type(tail) is bytearray:
            # The tail accepts no more data; a bytes object has no spare capacity.
            if len(chunks) - self._head == 1:
                self.compact()
            chunks[-1] = search.cut(chunks[-1], 0, len(chunks[-1]))
        chunks.append(data)
        self.unread = size
        return self.unread + self.excess()

    def _uncount_tail(self, length: int) -> None:
        """After a failed append to the last chunk, which had ``length`` bytes: remove the chunk if it is empty now.

        CPython 3.15 empties a bytearray that it cannot enlarge. The ``length`` bytes are lost. The transport ends the
        connection with the MemoryError.
        """
        chunks = self._chunks
        if len(chunks[-1]) == length:
            return
        if len(chunks) - self._head == 1:
            self.clear()
            return
        self.unread -= length
        self._searched = 0
        # Last: if this raises, an empty chunk remains, which is harmless.
        del chunks[-1]

    def compact(self) -> None:
        """Free the memory of the read bytes of the first chunk, by a copy of its unread bytes."""
        if self.waste:
            first = self._chunks[self._head]
            self._chunks[self._head] = search.cut(first, self.waste, len(first))
            self.waste = 0

    def direct(self, size: int) -> Any:
        """Return memory for at least ``size`` received bytes, into which the caller receives. ``size`` may be 0.

        The memory is inside the result of a large read (DirectBuffer) or the buffer of the program (CallerBuffer).
        Return None if there is no such memory, as in any other buffer: the received bytes are passed to ``append``.
        """
        return None

    def direct_committed(self, n: int) -> None:
        """Record that the caller has received ``n`` bytes into the memory that ``direct`` returned last."""
        raise NotImplementedError

    def late_bytes(self, n: int) -> bytes:
        """Return the ``n`` bytes that the caller has received into the memory that ``direct`` returned last.

        Called in place of direct_committed() if another buffer has replaced this one since that call of ``direct``.
        """
        raise NotImplementedError

    def plain_buffer(self) -> ChunkBuffer:
        """Return the buffer for later reads.

        A DirectBuffer or a CallerBuffer serves one read. It moves its bytes to the ChunkBuffer that it has replaced,
        and returns that ChunkBuffer. Any other buffer returns itself. If the call raises MemoryError, the caller must
        call abandon().
        """
        return self

    def abandon(self) -> ChunkBuffer:
        """Return the buffer for later reads after plain_buffer() has raised MemoryError.

        A CallerBuffer loses its bytes, because the program may overwrite them, and returns the ChunkBuffer that it has
        replaced. Any other buffer keeps its bytes, and returns itself.
        """
        return self

    def unshared(self) -> ChunkBuffer:
        """Return the buffer for later bytes.

        A BytearrayBuffer with few bytes, to whose bytearray nothing else refers, returns a ChunkBuffer with the bytes.
        Any other buffer returns itself.
        """
        return self

    def clear(self) -> None:
        """Discard all unread bytes."""
        search.clear_list(self._chunks)
        self.unread = self._head = self.waste = self._searched = 0

    def take(self, n: int) -> bytes:
        """Remove and return the first ``n`` unread bytes, or all of them if there are fewer."""
        if n >= self.unread:
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
            result = search.gather(chunks, index, start, n)
            end -= length
            index += 1
            while end >= len(chunks[index]):
                end -= len(chunks[index])
                index += 1
        unread = self.unread - n
        if index != self._head:
            self._drop(index)
        # Nothing below raises, so a call that raises has removed nothing.
        self.unread = unread
        self._searched = 0
        self.waste = end
        return result

    def _drop(self, head: int) -> None:
        """Release the chunks before ``head``, all of which were read."""
        chunks = self._chunks
        for index in range(self._head, head):
            chunks[index] = None
        self._head = head
        if head > _COMPACT and 2 * head > len(chunks):
            try:
                search.drop_first(chunks, head)
            except MemoryError:
                # A later call removes them.
                return
            self._head = 0

    def take_record(self, separators: tuple[bytes, ...], limit: int, floor: int) -> bytes | None:
        """Remove and return the first record with its separator. ``separators`` must contain exactly one separator.

        The fast path of readline(), readuntil() and an iterator. Return None, after which the caller must search with
        find(), in each of these cases:

        - if the record, without its separator, is longer than ``limit``;
        - if the record does not end within the first chunk;
        - if at most ``floor`` unread bytes would be left in the buffer;
        - if the first chunk is a bytearray or was searched before, or if the buffer is empty.

        In the first three cases, the call stores the offset at which find() continues.
        """
        chunks = self._chunks
        if self._searched or not chunks:
            return None
        index = self._head
        chunk = chunks[index]
        if type(chunk) is not bytes:
            return None
        first = chunk
        start = self.waste
        separator = separators[0]
        found = search.find_in_bytes(first, separator, start)
        if found < 0:
            # The last bytes may be the beginning of the separator.
            self.remember_search(separators, max(0, len(first) - start + 1 - len(separator)))
            return None
        end = found + len(separator)
        if found - start > limit or self.unread - (end - start) <= floor:
            self.remember_search(separators, found - start)
            return None
        if end < len(first):
            result = search.piece(first, start, end)
            self.unread -= end - start
            self.waste = end
            return result
        result = search.piece(first, start, end) if start else first
        if len(chunks) - index > 1:
            unread = self.unread - (end - start)
            self._drop(index + 1)
            self.unread = unread
            self.waste = 0
        else:
            search.clear_list(chunks)
            self.unread = self._head = self.waste = 0
        return result

    def take_frame(self, prefix: int, little_endian: bool, limit: int, floor: int) -> bytes | None:
        """Remove the first frame, which begins with its length in ``prefix`` bytes. Return it without this prefix.

        The fast path of an iterator. Return None, after which the caller must use number() and take(), in each of these
        cases:

        - if the frame without its prefix is longer than ``limit``;
        - if no byte of the first chunk would be left after the frame;
        - if at most ``floor`` unread bytes would be left in the buffer;
        - if the first chunk is a bytearray, or if the buffer is empty.
        """
        chunks = self._chunks
        index = self._head
        if index >= len(chunks):
            return None
        chunk = chunks[index]
        if type(chunk) is not bytes:
            return None
        first = chunk
        start = self.waste + prefix
        if start >= len(first):
            return None
        length = search.number(first, self.waste, prefix, little_endian)
        end = start + length
        if length > limit or end >= len(first) or self.unread - prefix - length <= floor:
            return None
        result = search.piece(first, start, end)
        self.unread -= prefix + length
        self._searched = 0
        self.waste = end
        return result

    def peek(self, n: int) -> bytes:
        """Return the first ``n`` unread bytes, or all of them if there are fewer. Remove none."""
        n = min(n, self.unread)
        if n <= 0:
            return b""
        first = self._chunks[self._head]
        if self.waste + n <= len(first):
            return search.cut(first, self.waste, self.waste + n)
        return search.gather(self._chunks, self._head, self.waste, n)

    def number(self, size: int, little_endian: bool) -> int:
        """Return the unsigned number in the first ``size`` unread bytes, but at most EVERYTHING (``_constants.py``).

        ``size``: at most 8, and not more than are unread.
        """
        if self._head < len(self._chunks) and self.waste + size <= len(self._chunks[self._head]):
            return search.number(self._chunks[self._head], self.waste, size, little_endian)
        return search.number(self.peek(size), 0, size, little_endian)

    def prepend(self, data: bytes) -> None:
        """Insert ``data``, which is not empty, before the unread bytes."""
        chunks = self._chunks
        length = len(data)
        size = self.unread + length
        if length <= self.waste and search.cut(chunks[self._head], self.waste - length, self.waste) == data:
            # The bytes that were read last: the chunk still has them.
            self.waste -= length
        else:
            self.compact()
            if self._head:
                self._head -= 1
                chunks[self._head] = data
            else:
                chunks.insert(0, data)
        self.unread = size
        self._searched = 0

    def take_all(self) -> bytes:
        """Remove and return all unread bytes."""
        chunks = self._chunks
        if len(chunks) - self._head == 1:
            whole: bytes = chunks[self._head]
            if self.waste or type(whole) is not bytes:
                whole = search.cut(whole, self.waste, self.waste + self.unread)
            search.clear_list(chunks)
            self.unread = self._head = self.waste = self._searched = 0
            return whole
        result = search.gather(chunks, self._head, self.waste, self.unread)
        self.clear()
        return result

    def matches(self, pattern: bytes, at: int) -> bool:
        """Return True if ``pattern`` is in the unread bytes exactly at the offset ``at``."""
        at += self.waste
        wanted = pattern
        for index in range(self._head, len(self._chunks)):
            chunk = self._chunks[index]
            if at >= len(chunk):
                at -= len(chunk)
                continue
            have = search.cut(chunk, at, at + len(wanted))
            if have != search.cut(wanted, 0, len(have)):
                return False
            if len(have) == len(wanted):
                return True
            wanted = search.cut(wanted, len(have), len(wanted))
            at = 0
        return False

    def find(self, pattern: bytes, start: int, end: int) -> int:
        """Return the offset of the first ``pattern`` that lies entirely between ``start`` and ``end``, or -1."""
        chunks = self._chunks
        if len(chunks) == 1:
            found = search.find_in(chunks[0], pattern, self.waste + start, self.waste + end)
            return found if found < 0 else found - self.waste
        # A read that has waited searches the newest chunk. The read of a record that has arrived searches the oldest.
        # So the chunk with the offset ``start`` is located from the nearer end of the list.
        if start < self.unread // 2:
            index = self._head
            base = -self.waste
            while base + len(chunks[index]) <= start:
                base += len(chunks[index])
                index += 1
        else:
            index = len(chunks)
            base = self.unread
            while index > self._head and base > start:
                index -= 1
                base -= len(chunks[index])
        overlap = len(pattern) - 1
        before = b""
        while index < len(chunks) and base < end:
            chunk = chunks[index]
            low = max(start - base, 0)
            if before:
                seam = before + search.cut(chunk, 0, overlap)
                found = search.find_in(seam, pattern, 0, len(before) + end - base)
                if found >= 0:
                    return base - len(before) + found
            found = search.find_in(chunk, pattern, low, end - base)
            if found >= 0:
                return base + found
            if overlap:
                before += search.cut(chunk, max(low, len(chunk) - overlap), len(chunk))
                before = search.cut(before, max(0, len(before) - overlap), len(before))
            base += len(chunk)
            index += 1
        return -1
