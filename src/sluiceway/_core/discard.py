"""Discard: the rest of a record that is dropped as it arrives, so that no read returns a part of it.

A receiver applies its Discard to each arrival. So the next read, of whatever kind, starts after the record, even if the
task that skips the record is cancelled before the record has ended.
"""

from __future__ import annotations

from collections import deque

from .validation import BytesLike


class Discard:
    """Drops ``size`` bytes. With ``separators``, drops all bytes up to the end of the first separator instead.

    - ``size``: how many bytes are still to be dropped. Not used with ``separators``.
    - ``separators``: sorted, the shortest first; or empty.
    - ``total``: the size of the whole record, for the error if the stream ends within it. Not used with ``separators``.
    - ``earlier``: the Discards whose bytes arrive before those of this one, in this order, or None. Their own
      ``earlier`` is None: in a chain, each Discard would need a nested call of feed().
    - ``_tail``: the last dropped bytes, which may begin a separator.
    """

    __slots__ = ("_tail", "earlier", "separators", "size", "total")

    def __init__(self, size: int, separators: tuple[bytes, ...], total: int | None = None) -> None:
        self.size = size
        self.total = size if total is None else total
        self.separators = separators
        self.earlier: deque[Discard] | None = None
        self._tail = b""

    def follow(self, earlier: Discard) -> None:
        """Let ``earlier``, and the Discards that it follows, drop their bytes before this one, which follows none.

        The caller must then assign None to ``earlier.earlier``, or call unfollow(). A call that raises changes nothing.
        """
        before = deque() if earlier.earlier is None else earlier.earlier
        before.append(earlier)
        self.earlier = before

    def unfollow(self) -> None:
        """Undo follow(). Allocates no memory."""
        before, self.earlier = self.earlier, None
        if before is not None:
            before.pop()

    def shrink(self, n: int) -> None:
        """Count ``n`` bytes, fewer than ``size``, as dropped. The object has no separators."""
        self.size -= n

    def first(self) -> Discard:
        """Return the Discard that drops the next bytes: this one or the first of ``earlier``."""
        return self.earlier[0] if self.earlier else self

    def feed(self, data: BytesLike) -> bytes | None:
        """Drop the bytes of ``data`` that belong to the Discards in ``earlier``, and then those of this record.

        Return the bytes after this record. Then the object must not be used again. Return None if the record has not
        ended.
        """
        earlier = self.earlier
        while earlier:
            rest = earlier[0].feed(data)
            if rest is None:
                return None
            earlier.popleft()
            data = rest
        if not self.separators:
            dropped = min(self.size, len(data))
            self.size -= dropped
            return None if self.size else bytes(data[dropped:])
        searched = self._tail + data
        end = -1
        for separator in self.separators:
            found = searched.find(separator)
            if found >= 0 and (end < 0 or found + len(separator) < end):
                end = found + len(separator)
        if end >= 0:
            return bytes(searched[end:])
        kept = len(self.separators[len(self.separators) - 1]) - 1
        self._tail = bytes(searched[max(0, len(searched) - kept) :])
        return None
