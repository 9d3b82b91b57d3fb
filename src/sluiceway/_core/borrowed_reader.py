"""BorrowedReader: a Receiver over the buffer of asyncio's own StreamReader, so that the framing works on it as well.

asyncio's reader has no method that puts bytes back or looks at them. The framing must not take bytes before a record is
complete, so it works on ``reader._buffer`` itself, which no version of Python from 3.4 to 3.15 has changed.
"""

from __future__ import annotations

import functools
from typing import Any

from .bytearray_buffer import BytearrayBuffer
from .chunk_buffer import ChunkBuffer
from .discard import Discard
from .receiver import Receiver
from .validation import BytesLike


class SharedBuffer(BytearrayBuffer):
    """The buffer of a BorrowedReader. ``data`` is the bytearray of asyncio's reader, or a copy of its first bytes.

    While a read waits, the reader usually only appends to ``data``, so a search continues where the last one ended. If
    ``data`` has become shorter, other code has removed bytes, and all bytes are searched again.
    """

    __slots__ = ()

    def searched(self, patterns: tuple[bytes, ...], waited: bool) -> int:
        if len(self.data) < self._length:
            return 0
        return ChunkBuffer.searched(self, patterns, waited)


class DiscardingFeed:
    """Set as ``reader.feed_data`` until the rest of a dropped record has arrived. Passes on the bytes after the record.

    ``discard``: the dropped record, or None after its end. ``replaced``: the program's own ``reader.feed_data``, or
    None. At the end of the record, ``replaced`` is set again, and called with the bytes after the record.
    """

    __slots__ = ("discard", "reader", "replaced")

    def __init__(self, reader: Any, discard: Discard, replaced: Any) -> None:
        self.reader = reader
        self.discard: Discard | None = discard
        self.replaced = replaced

    def __call__(self, data: BytesLike) -> None:
        rest: BytesLike | None = data
        discard = self.discard
        if discard is not None:
            rest = discard.feed(data)
            if rest is None:
                return
            self.remove()
        if rest:
            self.next_feed()(rest)

    def next_feed(self) -> Any:
        """Return the function that gets the bytes after the record: ``replaced``, or feed_data() of the class."""
        return (
            self.replaced if self.replaced is not None else functools.partial(type(self.reader).feed_data, self.reader)
        )

    def remove(self) -> None:
        """End the discard. Restore ``reader.feed_data``, unless the program has replaced this object since."""
        self.discard = None
        reader = self.reader
        if vars(reader).get("feed_data") is self:
            if self.replaced is None:
                del reader.feed_data
            else:
                reader.feed_data = self.replaced


class BorrowedReader:
    """Gives the framing a Receiver for ``reader``, asyncio's own StreamReader. An attempt is one try to take a record.

    - ``receiver``: has the state of ``reader`` from load() to store(), between which the attempt is made.
    - ``_window``: the size of the copy to which load() has limited the attempt; 0 if the attempt uses the bytearray of
      ``reader`` itself.
    """

    __slots__ = ("_window", "reader", "receiver")

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.receiver = Receiver(self.reader._limit, self.reader._loop, False)
        self._window = 0

    def load(self, operation: str, waited: bool, window: int) -> None:
        """Before an attempt of the method ``operation``: take over the state of the reader.

        ``waited``: True if the read has waited since its previous attempt, and so continues its search. Otherwise the
        program may have read from the reader since, and all bytes are searched again. ``window``: the number of bytes
        that the attempt needs at most, or 0 for all. If more are buffered, the attempt gets a copy of the first
        ``window`` bytes only. Without the copy, each piece of a long record would cost a search of all buffered bytes.

        Raise RuntimeError if another read waits. The exception of the reader is raised by the attempt.
        """
        reader, receiver = self.reader, self.receiver
        if reader._waiter is not None:
            raise RuntimeError(
                f"{operation}() called while another coroutine is already waiting for incoming data: {reader!r}"
            )
        buffer = receiver.buffer
        if 0 < window < len(reader._buffer):
            receiver.buffer = SharedBuffer(reader._buffer[:window])
            self._window = window
        elif not isinstance(buffer, SharedBuffer) or buffer.data is not reader._buffer:
            receiver.buffer = SharedBuffer(reader._buffer)
        elif not waited:
            buffer.forget_search()
        receiver.eof_reached = reader._eof
        receiver.exception = reader._exception
        # asyncio does not report whether the connection was lost or the program has called set_exception().
        receiver.after_data = True
        feed = vars(reader).get("feed_data")
        receiver.discard = feed.discard if isinstance(feed, DiscardingFeed) else None

    def store(self) -> None:
        """After each attempt, also one that has raised: give the state back to the reader."""
        reader, receiver = self.reader, self.receiver
        buffer: Any = receiver.buffer
        if self._window:
            taken = self._window - len(buffer.data)
            self._window = 0
            buffer = receiver.buffer = SharedBuffer(reader._buffer)
            buffer.take(taken)
        if buffer.data is not reader._buffer:
            reader._buffer = buffer.data
        feed = vars(reader).get("feed_data")
        if receiver.discard is None:
            if isinstance(feed, DiscardingFeed):
                feed.remove()
        elif isinstance(feed, DiscardingFeed):
            feed.discard = receiver.discard
        else:
            reader.feed_data = DiscardingFeed(reader, receiver.discard, feed)
        reader._maybe_resume_transport()
