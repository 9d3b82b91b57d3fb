"""read() and readexactly(): whether enough bytes are buffered, and which error the read raises.

some() and exactly() remove bytes from the buffer and return them in one step, so a cancelled read consumes nothing. The
read, their caller, has found that no other read waits, unless ``n`` is 0. Both functions return None if the read must
wait for more bytes, and then call the function again. ``waited`` is True in each call after a wait: the read then
returns the data that woke it, even if ``set_exception()`` was called in the same iteration of the loop, as in asyncio.
"""

from __future__ import annotations

from typing import Any

from .._constants import EVERYTHING
from .receiver import Receiver

# A C integer in the compiled build.
_EVERYTHING = EVERYTHING


def as_c_integer(n: int) -> int:
    """Return ``n``, but EVERYTHING if ``n`` is greater than that, and -1 if ``n`` is negative.

    The compiled build returns a C integer.
    """
    try:
        size = n
    except OverflowError:
        size = _EVERYTHING if n > 0 else -1
    if size < 0:
        return -1
    return size if size < _EVERYTHING else _EVERYTHING  # noqa: FURB136 - called for each read


def some(receiver: Receiver, n: int, waited: bool) -> bytes | None:
    """Remove and return up to ``n`` unread bytes; ``n`` must not be negative. Return None if read() must wait.

    Raise the error of set_exception(), unless ``waited`` is True and a byte is unread (see the module). If no byte is
    unread, raise the error of a connection that was lost before end of file; if there is none, return ``b""`` at end of
    file, or if ``n`` is 0.
    """
    # Looked up after each wait, because the program may replace the buffer meanwhile.
    size = receiver.buffer.unread
    if size < 0:
        size = receiver.buffer.size()
    if receiver.exception is not None and not (waited and size) and receiver.error_due(size, True):
        raise receiver.end_error()
    if not size and not receiver.eof_reached and n:
        return None
    return receiver.take(n)


def exactly(receiver: Receiver, n: int, expected: int, waited: bool, stream: Any) -> bytes | None:
    """Remove and return the first ``n`` unread bytes. Return None if readexactly() must wait for more.

    Raise the first error that applies:

    - The error of set_exception(), unless ``waited`` is True and ``n`` bytes are unread (see the module).
    - If fewer than ``n`` bytes are unread, or ``n`` is 0: the error of a connection that was lost before end of file.
    - If fewer than ``n`` bytes are unread at end of file: IncompleteReadError with these bytes, which are removed.

    ``expected``: the argument of the read, for the error; ``n`` is the same number, at most EVERYTHING. ``stream``: the
    Stream whose read_exactly() it is, for the message; None for readexactly().
    """
    buffer = receiver.buffer
    size = buffer.unread
    if size < 0:
        size = buffer.size()
    if receiver.exception is not None and not (waited and size >= n) and receiver.error_due(size, size >= n > 0):
        raise receiver.end_error()
    if size < n:
        if receiver.eof_reached:
            raise receiver.incomplete(expected, "" if stream is None else ended_early("read_exactly", size, n, stream))
        return None
    return receiver.take(n) if receiver.paused else buffer.take(n)


def ended_early(call: str, size: int, expected: int, stream: Any) -> str:
    """Return the message for the ``call`` of ``stream`` that got ``size`` instead of ``expected`` bytes."""
    return f"{call}(): the stream ended after {size} of {expected} bytes: {stream._describe_input()}"
