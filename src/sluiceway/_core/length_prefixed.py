"""LengthPrefixed: the iterator over frames that begin with their length."""

from __future__ import annotations

from typing import Any

from .._errors import IncompleteReadError, LimitOverrunError
from .._piece import Piece
from . import record_iterator
from .borrowed_reader import BorrowedReader
from .discard import Discard
from .read_operations import StreamReader
from .ready import set_slots
from .record_iterator import RecordIterator


class LengthPrefixed(RecordIterator):
    """Frames that begin with their length, a number of ``length_bytes`` bytes. The items have no prefix.

    - ``_missing``: the number of bytes that must be buffered before the next attempt can succeed.
    - ``_rest``: while a frame of ``_length`` bytes is returned in pieces, the number of its bytes that are still to be
      returned; otherwise 0.
    - ``_simple``: True if ``take_frame`` can be used.
    """

    __slots__ = ("_length", "_missing", "_rest", "_simple", "length_bytes", "little_endian")

    def __init__(
        self,
        reader: StreamReader | None,
        borrowed: BorrowedReader | None,
        operation: str,
        max_size: int,
        policy: int,
        length_bytes: int,
        little_endian: bool,
    ) -> None:
        super().__init__(reader, borrowed, operation, max_size, policy)
        self.length_bytes = length_bytes
        self.little_endian = little_endian
        self._missing = 0
        self._rest = 0
        self._length = 0
        self._simple = policy != record_iterator.CHUNKS

    def target_size(self) -> int:
        return self._missing

    def ready_item(self) -> Any:
        receiver = self.receiver
        if not self._simple or receiver.operation is not None or receiver.exception is not None:
            return None
        buffer = receiver.buffer
        return buffer.take_frame(self.length_bytes, self.little_endian, self.max_size, receiver.floor())

    def attempt(self, waited: bool) -> Any:
        self.check(waited)
        receiver = self.receiver
        prefix = self.length_bytes
        while True:
            # Looked up each time, because dropping bytes may replace the buffer.
            buffer = receiver.buffer
            size = buffer.size()
            if self._rest:
                return self._piece(size)
            if size < prefix:
                self._missing = prefix
                if self.ended(False):
                    message = f"{self.operation}(): the stream ended after {size} of {prefix} bytes of a length prefix"
                    raise receiver.incomplete(prefix, f"{message}: {self.described()}")
                return None
            length = buffer.number(prefix, self.little_endian)
            if length <= self.max_size:
                if size < prefix + length:
                    self._missing = prefix + length
                    if self.ended(False):
                        raise self._incomplete(prefix + length, size - prefix, length)
                    return None
                frame = self._take_frame(length)
                return Piece(frame, True) if self.policy == record_iterator.CHUNKS else frame
            if self.policy in (record_iterator.RAISE, record_iterator.SKIP):
                self._refuse(prefix)
            elif size < prefix + self.max_size:
                # With CHUNKS too, the prefix stays in the stream until the first piece can be taken with it.
                self._missing = prefix + self.max_size
                if self.ended(False):
                    exact = self._exact_length()
                    if self.policy == record_iterator.CHUNKS:
                        receiver.take(prefix)
                        raise self._incomplete(exact, size - prefix, exact)
                    raise self._incomplete(prefix + exact, size - prefix, exact)
                return None
            elif self.policy == record_iterator.CHUNKS:
                exact = self._exact_length()
                receiver.take(prefix)
                # After the call, because it may raise MemoryError: then the prefix is still in the stream.
                self._rest = self._length = exact
            else:
                exact = self._exact_length()
                cut_frame = buffer.peek(prefix + self.max_size)[prefix:]
                # Last, and with the prefix: if there is no memory, nothing was removed.
                receiver.drop(Discard(prefix + exact, (), exact), 0)
                self.truncated += 1
                return cut_frame

    def _take_frame(self, n: int) -> bytes:
        """Remove the prefix and the ``n`` bytes after it. Return these bytes.

        A call that raises has removed nothing.
        """
        receiver = self.receiver
        removed = receiver.take(self.length_bytes)
        try:
            return receiver.take(n)
        except BaseException:
            # There may be no memory for a large frame.
            buffer = receiver.buffer
            buffer.prepend(removed)
            raise

    def _exact_length(self) -> Any:
        buffer = self.receiver.buffer
        prefix = buffer.peek(self.length_bytes)
        return int.from_bytes(prefix, "little" if self.little_endian else "big")

    def _incomplete(self, expected: Any, arrived: Any, length: Any) -> IncompleteReadError:
        """Remove the buffered bytes. Return the IncompleteReadError of a stream that ended inside a frame.

        ``arrived``, ``length``: for the message, how many bytes of the frame have arrived, and how long it is.
        ``expected``: the attribute ``expected`` of the error. The attribute ``partial`` has the removed bytes.
        """
        message = f"{self.operation}(): the stream ended after {arrived} of {length} bytes of a frame"
        return self.receiver.incomplete(expected, f"{message}: {self.described()}")

    def _piece(self, size: int) -> Any:
        """Return the next piece of a frame that is longer than the maximum, or None if it must be waited for.

        ``size`` bytes are buffered. Raise IncompleteReadError if the stream has ended within the frame.
        """
        receiver = self.receiver
        n = min(self._rest, self.max_size)
        if size < n:
            self._missing = n
            if (receiver.eof_reached and not size) or self.ended(False):
                # The next attempt finds the end of the stream, not a second end within this frame.
                rest, self._rest = self._rest, 0
                raise self._incomplete(rest, self._length - rest + size, self._length)
            return None
        # Before the take, because an integer is an object that there may be no memory for.
        rest = self._rest - n
        piece = receiver.take(n)
        self._rest = rest
        return Piece(piece, not rest)

    def _refuse(self, prefix: int) -> None:
        """For a frame that is longer than the maximum: raise LimitOverrunError if the policy is RAISE; drop it if SKIP.

        ``prefix``: the length of the prefix in bytes.
        """
        length = self._exact_length()
        if self.policy == record_iterator.RAISE:
            raise LimitOverrunError(
                f"{self.operation}(): a frame of {length} bytes exceeds max_size={self.max_size} ({self.described()}); "
                'prefix and frame stay in the stream; close it, raise max_size=, or choose overlong="skip", "truncate" '
                'or "chunks"',
                prefix + length,
            )
        self.receiver.drop(Discard(prefix + length, (), length), 0)
        self.skipped += 1


set_slots(LengthPrefixed)
