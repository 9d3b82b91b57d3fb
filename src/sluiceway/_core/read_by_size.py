"""read() and readexactly(): whether enough bytes are buffered, and which error the read raises.

Each function removes bytes from the buffer and returns them in one step, so a cancelled read consumes nothing
(contract R1). A function returns None if the read must wait. ``waited`` is True after a wait: the read then returns the
data that woke it, even if ``set_exception`` was called in the same iteration of the loop, as in asyncio.
"""

from __future__ import annotations

from .receiver import Receiver


def some(receiver: Receiver, n: int, waited: bool) -> bytes | None:
    """Return up to ``n`` bytes, or None to wait."""
    # Looked up after each wait, because the program may replace the buffer meanwhile.
    size = receiver.buffer.size()
    if receiver.end.exception is not None and not (waited and size) and receiver.end.due(size, True):
        raise receiver.end.error()
    if not size and not receiver.end.reached and n:
        return None
    return receiver.take(n)


def exactly(receiver: Receiver, n: int, waited: bool) -> bytes | None:
    """Return ``n`` bytes, or None to wait. IncompleteReadError at end of file contains the remaining bytes."""
    size = receiver.buffer.size()
    if receiver.end.exception is not None and not (waited and size >= n) and receiver.end.due(size, size >= n > 0):
        raise receiver.end.error()
    if size < n:
        if receiver.end.reached:
            raise receiver.incomplete(n)
        return None
    return receiver.take(n)
