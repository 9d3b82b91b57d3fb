"""SeparatedRecords: the iterator over lines, and over records that end with a separator."""

from __future__ import annotations

from typing import Any

from .._errors import LimitOverrunError
from .._piece import Piece
from . import read_until, record_iterator
from .borrowed_reader import BorrowedReader
from .discard import Discard
from .read_operations import StreamReader
from .ready import set_slots
from .record_iterator import RecordIterator


class SeparatedRecords(RecordIterator):
    """Records that end with a separator. The item of a complete record includes the separator.

    - ``separators``: the separators, the shortest first.
    - ``keeps_rest``: True if a rest without a separator at the end of the stream is an item, as for lines.
    - ``_inside``: True if the last item was a piece of a record, and not its last.
    - ``_simple``: True if ``take_record`` can be used.
    """

    __slots__ = ("_inside", "_simple", "keeps_rest", "separators")

    def __init__(
        self,
        reader: StreamReader | None,
        borrowed: BorrowedReader | None,
        operation: str,
        max_size: int,
        policy: int,
        separators: tuple[bytes, ...],
        keeps_rest: bool,
    ) -> None:
        super().__init__(reader, borrowed, operation, max_size, policy)
        self.separators = separators
        self.keeps_rest = keeps_rest
        self._inside = False
        self._simple = len(separators) == 1 and policy != record_iterator.CHUNKS

    def ready_item(self) -> Any:
        receiver = self.receiver
        if not self._simple or receiver.operation is not None or receiver.exception is not None:
            return None
        buffer = receiver.buffer
        return buffer.take_record(self.separators, self.max_size, receiver.floor())

    def attempt(self, waited: bool) -> Any:
        self.check(waited)
        receiver = self.receiver
        while True:
            length = read_until.find_record(receiver, self.separators, waited, self.max_size)
            if length >= 0:
                record = receiver.take(length)
                if self.policy != record_iterator.CHUNKS:
                    return record
                self._inside = False
                return Piece(record, True)
            if length == -1:
                if self._inside and receiver.eof_reached and not receiver.buffer.size():
                    # The stream ended where a piece ended.
                    return self._rest()
                return self._rest() if self.ended(self.keeps_rest) else None
            item = self._overlong(-2 - length)
            if item is not None:
                return item

    def target_size(self) -> int:
        return read_until.target_size(self.receiver)

    def window(self) -> int:
        if self.policy != record_iterator.CHUNKS:
            return 0
        return self.max_size + len(self.separators[len(self.separators) - 1])

    def _rest(self) -> Any:
        """Take the rest of the stream, which has no separator. Return it if ``keeps_rest`` is True, else raise
        IncompleteReadError with it.
        """
        receiver = self.receiver
        self._inside = False
        if not self.keeps_rest:
            raise receiver.incomplete(None, read_until.no_separator(self.operation, receiver, self.described()))
        rest = receiver.take(receiver.buffer.size())
        return Piece(rest, True) if self.policy == record_iterator.CHUNKS else rest

    def _overlong(self, n: int) -> Any:
        """Apply the policy to a record that is longer than the maximum. ``n``: as in find_record().

        Return the item, or None if the record is skipped. Raise LimitOverrunError if the policy is RAISE.
        """
        receiver = self.receiver
        separator = read_until.separator_at(receiver, self.separators, n)
        if self.policy == record_iterator.RAISE:
            length = f"a record of {n} bytes" if separator else f"a record of at least {n} bytes"
            raise LimitOverrunError(
                f"{self.operation}(): {length} exceeds max_length={self.max_size} ({self.described()}); the bytes stay "
                'in the stream; raise max_length=, or choose overlong="skip", "truncate" or "chunks"',
                n,
            )
        if self.policy == record_iterator.SKIP:
            self._drop(n, separator)
            self.skipped += 1
            return None
        if self.policy == record_iterator.CHUNKS:
            piece = receiver.take(self.max_size)
            # The next search for the end of the record starts where this search has stopped.
            buffer = receiver.buffer
            buffer.remember_search(self.separators, n - self.max_size)
            self._inside = True
            return Piece(piece, False)
        buffer = receiver.buffer
        cut_record = buffer.peek(self.max_size)
        # Last, and with the whole record: if there is no memory, nothing was removed.
        self._drop(n, separator)
        self.truncated += 1
        return cut_record

    def _drop(self, n: int, separator: int) -> None:
        """Drop ``n`` bytes of a record, and the separator after them, which has ``separator`` bytes.

        If ``separator`` is 0, it has not arrived: the rest of the record is dropped as it arrives.
        """
        receiver = self.receiver
        if separator:
            receiver.take(n + separator)
        else:
            receiver.drop(Discard(0, self.separators), n)


set_slots(SeparatedRecords)
