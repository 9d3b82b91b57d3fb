"""readline() and readuntil(): the end of a line or record, its limit, and which error the read raises.

Each function removes bytes from the buffer and returns them in one step, so a cancelled read consumes nothing. A
function returns None if the read, its caller, must wait for more bytes and then call the function again. ``waited`` is
True in this second call: the read then returns the data that woke it, even if ``set_exception()`` was called in the
same iteration of the loop, as in asyncio.
"""

from __future__ import annotations

from typing import NoReturn

from .._errors import LimitOverrunError
from .receiver import Receiver

NEWLINE = (b"\n",)


def line(receiver: Receiver, waited: bool) -> bytes | None:
    """Return the first line, or the remaining bytes at end of file. Return None if readline() must wait.

    If the line is longer than the limit, discard it and raise ValueError.
    """
    return _record(receiver, NEWLINE, "readline", waited, True)


def record(receiver: Receiver, separators: tuple[bytes, ...], operation: str, waited: bool) -> bytes | None:
    """Return the first record with its separator, or None if readuntil() must wait. ``operation`` is for messages.

    Raise IncompleteReadError with the remaining bytes at end of file.
    """
    return _record(receiver, separators, operation, waited, False)


def _record(
    receiver: Receiver, separators: tuple[bytes, ...], operation: str, waited: bool, is_line: bool
) -> bytes | None:
    if receiver.wait.operation is not None:
        receiver.wait.raise_busy(operation)
    if receiver.end.exception is not None and not receiver.end.after_data and not waited:
        raise receiver.end.error()
    length = _record_length(receiver, separators, waited, is_line)
    if length < 0:
        if receiver.end.exception is not None and receiver.end.due(receiver.buffer.size(), False):
            raise receiver.end.error()
        if not receiver.end.reached:
            return None
        if not is_line:
            raise receiver.incomplete(None)
        return receiver.take(receiver.buffer.size())
    return receiver.take(length)


def _record_length(receiver: Receiver, separators: tuple[bytes, ...], waited: bool, is_line: bool) -> int:
    """Return the length of the first record with its separator in bytes, or -1 if its end has not arrived.

    Raise the error for a long record as soon as the record is known to be longer than the limit.
    """
    buffer = receiver.buffer
    size = buffer.size()
    start = buffer.searched(separators, waited)
    length = len(separators[0])
    if size - start >= length:
        end = -1
        position = 0
        for separator in separators:
            found = buffer.find(separator, start)
            length = len(separator)
            if found >= 0 and (end < 0 or found + length < end):
                end = found + length
                position = found
        if end >= 0:
            if position > receiver.flow.limit:
                _raise_overrun(receiver, position, True, is_line)
            return end
        # No separator begins before ``start``. The last bytes may be the beginning of the longest separator.
        start = max(0, size + 1 - length)
        buffer.remember_search(separators, start)
    if start > receiver.flow.limit:
        _raise_overrun(receiver, start, False, is_line)
    return -1


def _raise_overrun(receiver: Receiver, consumed: int, found: bool, is_line: bool) -> NoReturn:
    """Raise LimitOverrunError for a record that is longer than the limit; discard a line and raise ValueError.

    ``consumed``: the length of the record in bytes, or its least length if its separator has not arrived (``found`` is
    False). The message starts with asyncio's own text.
    """
    instead = "use readuntil(), which keeps the data" if is_line else "read the data with readexactly(error.consumed)"
    if found:
        message = f"Separator is found, but chunk is longer than limit: a record of {consumed} bytes"
    else:
        message = f"Separator is not found, and chunk exceed the limit: a record of at least {consumed} bytes"
    message = f"{message} exceeds the limit of {receiver.flow.limit} bytes; raise limit=, or {instead}"
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
