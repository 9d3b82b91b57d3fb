"""Received bytes in one bytearray that the program can access as ``StreamReader._buffer``.

``_buffer`` is private in asyncio, but many programs clear it on STARTTLS, extend it to push bytes back, or delete from
it to skip bytes. After the first access, the bytearray is the buffer of the reader (contract S12). This is slower, but
no byte is lost.
"""

from __future__ import annotations

from .chunk_buffer import ChunkBuffer


class BytearrayBuffer(ChunkBuffer):
    """A ChunkBuffer over a bytearray, ``data``, that the program may change at any time.

    Python raises BufferError if a bytearray is resized while a memoryview of it exists. Until the program releases its
    view, received bytes are stored in ``_pending``, after those in ``data``. Bytes that are read stay at the front of
    ``data``; ``_taken`` is their number. ``settle()`` resolves both states. While ``_taken`` is not 0, ``_pin``, a
    view of this buffer, prevents the program from resizing ``data``.

    ``_length``: the length of ``data`` after the last resize by this buffer; another length means that the program has
    resized ``data`` since the last search.
    """

    __slots__ = ("_length", "_pending", "_pin", "_taken", "data")

    def __init__(self, data: bytearray) -> None:
        super().__init__()
        self.data = data
        self._pending = ChunkBuffer()
        self._taken = 0
        self._length = 0
        self._pin: memoryview | None = None

    def searched(self, patterns: tuple[bytes, ...], waited: bool) -> int:
        # A program that has resized the bytearray may have moved all bytes. Bytes that were replaced without a resize
        # are searched again by the next read, as in asyncio, and after each access to ``reader._buffer``.
        if not waited or len(self.data) != self._length:
            return 0
        return ChunkBuffer.searched(self, patterns, waited)

    def remember_search(self, patterns: tuple[bytes, ...], end: int) -> None:
        self._length = len(self.data)
        ChunkBuffer.remember_search(self, patterns, end)

    def forget_search(self) -> None:
        """Discard the result of the last search, because the program may change ``data``."""
        self._searched = 0

    def size(self) -> int:
        return len(self.data) - self._taken + self._pending.size()

    def excess(self) -> int:
        return self._pending.excess()

    def compact(self) -> None:
        self._pending.compact()

    def append(self, data: bytes) -> int:
        self.settle()
        if not self._pending.size():
            try:
                self.data += data
            except BufferError:
                pass
            else:
                self._length += len(data)
                return self.size()
        self._pending.append(data)
        return self.size() + self.excess()

    def clear(self) -> None:
        self.settle()
        self._pending.clear()
        self._remove(len(self.data) - self._taken)

    def take(self, n: int) -> bytes:
        if not n:
            return b""
        self.settle()
        start = self._taken
        with memoryview(self.data) as view:
            result = bytes(view[start : start + n])
        taken = len(result)
        if taken < n:
            result += self._pending.take(n - taken)
        self._remove(taken)
        return result

    def take_all(self) -> bytes:
        return self.take(self.size())

    def matches(self, pattern: bytes, at: int) -> bool:
        in_data = len(self.data) - self._taken - at
        if in_data <= 0:
            return self._pending.matches(pattern, -in_data)
        if not self.data.startswith(pattern[:in_data], self._taken + at):
            return False
        return in_data >= len(pattern) or self._pending.matches(pattern[in_data:], 0)

    def find(self, pattern: bytes, start: int) -> int:
        found = self.data.find(pattern, self._taken + start)
        if found >= 0 or not self._pending.size():
            return found if found < 0 else found - self._taken
        in_data = len(self.data) - self._taken
        for at in range(max(start, in_data - len(pattern) + 1), in_data):
            if self.matches(pattern, at):
                return at
        found = self._pending.find(pattern, max(0, start - in_data))
        return found if found < 0 else found + in_data

    def settle(self) -> None:
        """Move ``_pending`` into ``data`` and remove the bytes that were read, unless a view of ``data`` exists."""
        if self._pin is not None:
            self._pin.release()
            self._pin = None
            taken = self._taken
            self._taken = 0
            self._remove(taken)
        if self._pending.size() and not self._taken and self._resizable():
            data = self._pending.take_all()
            try:
                self.data += data
            except MemoryError:
                self._pending.append(data)
                raise
            self._length += len(data)

    def _resizable(self) -> bool:
        """Return True if no view of ``data`` exists."""
        try:
            self.data.append(0)
        except BufferError:
            return False
        del self.data[-1]
        return True

    def _remove(self, n: int) -> None:
        """Remove the next ``n`` unread bytes from the front, or count them in ``_taken`` while a view exists."""
        self._searched = 0
        if self._pin is None:
            try:
                del self.data[:n]
            except BufferError:
                self._pin = memoryview(self.data)
            else:
                return
        self._taken += n
