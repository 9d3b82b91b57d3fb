"""Reads of a number of bytes: when there are enough, and which error the read raises.

Each function takes bytes and returns them in one step, so a cancelled read has taken nothing (contract R1). It returns
None where the read has to wait. ``waited`` is True after a wait: then the read uses the data that woke it, even if
``set_exception`` was called in the same turn of the loop, as in asyncio.
"""

from __future__ import annotations

from .receiver import Receiver


def some(receiver: Receiver, n: int, waited: bool) -> bytes | None:
    """Up to ``n`` bytes."""
    # Looked up after each wait: programs may change the buffer, or replace it.
    size = receiver.buffer.size()
    if receiver.end.exception is not None and not (waited and size) and receiver.end.due(size, True):
        raise receiver.end.exception
    if not size and not receiver.end.reached and n:
        return None
    buffer = receiver.buffer
    data = buffer.take(n)
    receiver.resume_if_low()
    return data


def exactly(receiver: Receiver, n: int, waited: bool) -> bytes | None:
    """``n`` bytes. IncompleteReadError at the end of input takes what there is."""
    size = receiver.buffer.size()
    if receiver.end.exception is not None and not (waited and size >= n) and receiver.end.due(size, size >= n > 0):
        raise receiver.end.exception
    if size < n:
        if receiver.end.reached:
            raise receiver.incomplete(n)
        return None
    buffer = receiver.buffer
    data = buffer.take(n)
    receiver.resume_if_low()
    return data
