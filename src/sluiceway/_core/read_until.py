"""readline() and readuntil(): the end of a line or record, its limit, and which error the read raises.

record() and limited() remove bytes from the buffer and return them in one step, so a cancelled read consumes
nothing. They return None if the read, their caller, must wait for more bytes and then call them again. ``waited`` is
True in each call after a wait: the read then returns the data that woke it, even if ``set_exception()`` was called in
the same iteration of the loop, as in asyncio.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .._errors import LimitOverrunError
from .receiver import Receiver

NEWLINE = (b"\n",)
# A C integer in the compiled build: the number of bytes that are searched first if there are several separators.
_FIRST_PART = 64


def record(
    receiver: Receiver, separators: tuple[bytes, ...], operation: str, waited: bool, is_line: bool
) -> bytes | None:
    """Remove and return the first record with its separator. Return None if the read must wait.

    - ``operation``: "readline" or "readuntil". ``is_line``: True for readline(). ``waited``: see the module.
    - If the record is longer than the limit, readuntil() raises LimitOverrunError. readline() discards the line, as
      drop_line() does, and raises ValueError.
    - At end of file without a complete record, readuntil() removes the remaining bytes and raises IncompleteReadError
      with them. readline() returns them.
    - If the connection was lost before end of file, and no complete record is unread, raise its error.
    - After set_exception(), raise its error, unless a complete record is unread and ``waited`` is True.
    - If another read waits, raise RuntimeError.
    """
    if receiver.operation is not None:
        receiver.raise_busy(operation)
    if receiver.exception is not None and not receiver.after_data and not waited:
        raise receiver.end_error()
    buffer = receiver.buffer
    size = buffer.unread
    if size < 0:
        size = buffer.size()
    length = -1
    # Usually no byte is unread before the wait: then there is nothing to search.
    if size:
        if len(separators) == 1:
            found = buffer.take_record(separators, receiver.limit, receiver.floor())
            if found is not None:
                return found
        length = _record_length(receiver, separators, waited, is_line)
    if length < 0:
        if receiver.exception is not None and receiver.error_due(size, False):
            raise receiver.end_error()
        if not receiver.eof_reached:
            return None
        if not is_line:
            raise receiver.incomplete(None)
        return receiver.take(size)
    return receiver.take(length)


def limited(
    receiver: Receiver,
    separators: tuple[bytes, ...],
    limit: int,
    operation: str,
    waited: bool,
    keeps_rest: bool,
    stream: Any,
) -> bytes | None:
    """Remove and return the first record with its separator. Return None if the read must wait.

    ``operation``: the method of ``stream``. Raise LimitOverrunError for a record that is longer than ``limit``; no byte
    is removed. At the end of the stream, remove the remaining bytes. Return them if ``keeps_rest`` is True, else raise
    IncompleteReadError with them. Raise the error of set_exception(), and that of a lost connection, as record() does.
    Unlike record(), do not test whether another read waits: the caller has done so.
    """
    if receiver.exception is not None and not receiver.after_data and not waited:
        raise receiver.end_error()
    if len(separators) == 1:
        buffer = receiver.buffer
        found = buffer.take_record(separators, limit, receiver.floor())
        if found is not None:
            return found
    length = find_record(receiver, separators, waited, limit)
    if length >= 0:
        return receiver.take(length)
    if length < -1:
        consumed = -2 - length
        size = str(consumed) if separator_at(receiver, separators, consumed) else f"at least {consumed}"
        raise LimitOverrunError(
            f"{operation}(): a record of {size} bytes exceeds max_length={limit} ({stream._describe_input()}); "
            "the bytes stay in the stream; raise max_length=, or choose what happens to long records with lines() or "
            "records()",
            consumed,
        )
    if receiver.exception is not None and receiver.error_due(receiver.buffer.size(), False):
        raise receiver.end_error()
    if not receiver.eof_reached:
        return None
    if not keeps_rest:
        raise receiver.incomplete(None, no_separator(operation, receiver, stream._describe_input()))
    return receiver.take(receiver.buffer.size())


def no_separator(call: str, receiver: Receiver, stream: str) -> str:
    """Return the message for the ``call`` of ``stream`` that has found the end of the stream before a separator."""
    return f"{call}(): the stream ended after {receiver.buffer.size()} bytes without a separator: {stream}"


def _record_length(receiver: Receiver, separators: tuple[bytes, ...], waited: bool, is_line: bool) -> int:
    """Return the length in bytes of the first record, including its separator, or -1 if its end has not arrived.

    If the record is longer than the limit of the reader, raise as _raise_overrun() does. ``waited``: see the module.
    """
    length = find_record(receiver, separators, waited, receiver.limit)
    if length < -1:
        consumed = -2 - length
        _raise_overrun(receiver, consumed, separator_at(receiver, separators, consumed) > 0, is_line)
    return length


def find_record(receiver: Receiver, separators: tuple[bytes, ...], waited: bool, limit: int) -> int:
    """Return the length in bytes of the first record, including its separator, or -1 if its end has not arrived.

    ``separators`` must be sorted, the shortest first. For a record that is longer than ``limit`` without its separator,
    return -2 - n. The first n bytes belong to the record. Its separator is at the offset n, or has not arrived and
    begins at n or later. ``waited``: see the module.
    """
    buffer = receiver.buffer
    size = buffer.size()
    start = buffer.searched(separators, waited)
    length = len(separators[0])
    if size - start >= length:
        end = -1
        position = 0
        # The search for a separator that does not occur would examine all buffered bytes, again for each record. So a
        # search for several separators examines a part first, and then parts that double in size.
        searched = size if len(separators) == 1 else min(size, start + _FIRST_PART)
        while True:
            for separator in separators:
                found = buffer.find(separator, start, searched)
                length = len(separator)
                if found >= 0 and (end < 0 or found + length < end):
                    end = found + length
                    position = found
            if end >= 0:
                return -2 - position if position > limit else end
            # No separator begins before ``start``. The last bytes may be the beginning of the longest separator.
            first, start = start, max(start, searched + 1 - length)
            if searched == size:
                break
            searched = min(size, searched + 2 * (searched - first))
        buffer.remember_search(separators, start)
    return -2 - start if start > limit else -1


def target_size(receiver: Receiver) -> int:
    """Return ``Receiver.target_size`` for a read that waits for the end of a record, usually 0.

    If more bytes are buffered than the limit of the reader, return their number plus 1. This raises the bound of flow
    control, and the next byte wakes the read. With 0, flow control would reduce the receives to as little as 4 KiB, and
    pause the transport after each.
    """
    size = receiver.buffer.size()
    return size + 1 if size > receiver.limit else 0


def separator_at(receiver: Receiver, separators: tuple[bytes, ...], at: int) -> int:
    """Return the length of the shortest separator that is in the unread bytes at the offset ``at``, or 0."""
    buffer = receiver.buffer
    for separator in separators:
        if buffer.matches(separator, at):
            return len(separator)
    return 0


def _raise_overrun(receiver: Receiver, consumed: int, found: bool, is_line: bool) -> NoReturn:
    """Raise LimitOverrunError for a record that is longer than the limit. For a line, call drop_line() instead.

    ``consumed``: the length of the record in bytes, without its separator. If the separator has not arrived (``found``
    is False), the least possible length.
    """
    instead = "use readuntil(), which keeps the data" if is_line else "read the data with readexactly(error.consumed)"
    if found:
        message = f"Separator is found, but chunk is longer than limit: a record of {consumed} bytes"
    else:
        message = f"Separator is not found, and chunk exceed the limit: a record of at least {consumed} bytes"
    message = f"{message} exceeds the limit of {receiver.limit} bytes; raise limit=, or {instead}"
    if is_line:
        drop_line(receiver, message, consumed)
    raise LimitOverrunError(message, consumed)


def drop_line(receiver: Receiver, message: str, consumed: int) -> NoReturn:
    """Discard a line that is longer than the limit, and raise ValueError with ``message``.

    If the newline is at the offset ``consumed``, discard the line and its newline, otherwise all buffered bytes.
    """
    buffer = receiver.buffer
    if buffer.matches(b"\n", consumed):
        buffer.take(consumed + 1)
    else:
        buffer.clear()
    receiver.resume_if_low()
    raise ValueError(message)
