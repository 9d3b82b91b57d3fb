"""BytearrayBuffer: received bytes in one bytearray, which the program can access as ``StreamReader._buffer``.

``_buffer`` is private in asyncio, but many programs clear ``_buffer`` on STARTTLS, extend it to push bytes back, or
delete bytes from it to skip them. After an access, the bytearray is the buffer of the reader. Reads are slower then,
but no byte is lost. When a read begins to wait, a ChunkBuffer replaces the bytearray if nothing else refers to it and
at most 4 KiB are unread.
"""

from __future__ import annotations

import sys

from .._constants import MINIMUM_RECEIVE
from . import search
from .chunk_buffer import ChunkBuffer

# A C integer in the compiled build. More bytes of an incomplete record are not copied, because a program may access
# ``_buffer`` at each arrival.
_COPY_MAXIMUM = MINIMUM_RECEIVE
_count_references = getattr(sys, "getrefcount", len)


class BytearrayBuffer(ChunkBuffer):
    """A ChunkBuffer with one bytearray, ``data``, which contains exactly the unread bytes.

    The program may change ``data`` at any time. Python raises BufferError if a bytearray is resized while a memoryview
    of the bytearray exists. In this case, a receive or a read replaces ``data`` with a new bytearray, and the old
    bytearray keeps its content.

    ``_plain``: the empty ChunkBuffer that this buffer has replaced, and that unshared() returns; or None.

    ``_length``: the length of ``data`` at the last search, plus what append() has added since. If ``data`` has
    another length, the program may have moved all bytes, and searched() returns 0. Methods that remove or insert bytes
    set ``_searched`` to 0 instead.

    A method that uses the content of ``data`` first stores ``data`` in a local variable. A garbage collection during
    the method may run code of the program, which may replace the attribute ``data``.
    """

    __slots__ = ("_length", "_plain", "data")

    def __init__(self, data: bytearray, plain: ChunkBuffer | None = None) -> None:
        ChunkBuffer.__init__(self)
        self.unread = -1
        self.data = data
        self._plain = plain
        self._length = 0

    def searched(self, patterns: tuple[bytes, ...], waited: bool) -> int:
        # A program that has resized the bytearray may have moved all bytes. If it has replaced bytes without a resize,
        # the next read searches them again, as in asyncio. The waiting read does so only after a new access to
        # ``reader._buffer``.
        if not waited or len(self.data) != self._length:
            return 0
        return ChunkBuffer.searched(self, patterns, waited)

    def remember_search(self, patterns: tuple[bytes, ...], end: int) -> None:
        self._length = len(self.data)
        ChunkBuffer.remember_search(self, patterns, end)

    def forget_search(self) -> None:
        """Forget the result of the last search. Called when the program gets ``data``, or may have changed it."""
        self._searched = 0

    def references(self) -> int:
        """Return the number of references to ``data``, with those of this object and of the call. On CPython only."""
        return _count_references(self.data)

    def unshared(self) -> ChunkBuffer:
        if (
            type(self) is not BytearrayBuffer
            or type(self.data) is not bytearray
            or len(self.data) > _COPY_MAXIMUM
            or self.references() > _OWN_REFERENCES
        ):
            return self
        plain = ChunkBuffer() if self._plain is None else self._plain
        if self.data:
            whole = self.data
            plain.append(bytes(whole))
        return plain

    def size(self) -> int:
        return len(self.data)

    def append(self, data: bytes) -> int:
        whole = self.data
        try:
            whole += data
        except BufferError:
            whole = whole + data
        self.data = whole
        self._length += len(data)
        return len(whole)

    def clear(self) -> None:
        self._remove(len(self.data))

    def take(self, n: int) -> bytes:
        whole = self.data
        with memoryview(whole) as view:
            result = bytes(view[:n])
        self._remove(len(result))
        return result

    def take_all(self) -> bytes:
        return self.take(len(self.data))

    def take_record(self, separators: tuple[bytes, ...], limit: int, floor: int) -> bytes | None:
        return None

    def take_frame(self, prefix: int, little_endian: bool, limit: int, floor: int) -> bytes | None:
        return None

    def peek(self, n: int) -> bytes:
        whole = self.data
        return bytes(whole[:n])

    def number(self, size: int, little_endian: bool) -> int:
        whole = self.data
        return search.number(whole, 0, size, little_endian)

    def prepend(self, data: bytes) -> None:
        whole = self.data
        try:
            whole[:0] = data
        except BufferError:
            self.data = bytearray(data) + whole
        self._searched = 0

    def matches(self, pattern: bytes, at: int) -> bool:
        whole = self.data
        return whole.startswith(pattern, at)

    def find(self, pattern: bytes, start: int, end: int) -> int:
        whole = self.data
        return whole.find(pattern, start, end)

    def _remove(self, n: int) -> None:
        """Remove the first ``n`` bytes of ``data``."""
        whole = self.data
        left = len(whole) - n
        try:
            del whole[:n]
        except BufferError:
            self.data = whole[n:]
        except MemoryError:
            # Python removes them, then fails to make the memory smaller.
            if len(whole) != left:
                raise
        self._searched = 0


# Only CPython counts references.
_OWN_REFERENCES = BytearrayBuffer(bytearray()).references() if hasattr(sys, "getrefcount") else -1
