"""Search and slice one chunk of received bytes: the pure variant.

``_core_c/search.pyx`` has the same functions, with pointers. Both variants return the same results.
"""

from __future__ import annotations

from .._constants import EVERYTHING


def find_in(chunk: bytes | bytearray, pattern: bytes, start: int) -> int:
    """Return the offset of the first ``pattern`` in ``chunk`` at or after ``start``, or -1 if there is none."""
    return chunk.find(pattern, start)


def cut(chunk: bytes | bytearray, start: int, end: int) -> bytes:
    """Return the bytes from ``start`` to ``end``, without a copy if they are the whole of a bytes object."""
    piece = chunk[start:end]
    return piece if type(piece) is bytes else bytes(piece)


def number(chunk: bytes | bytearray, start: int, size: int, little_endian: bool) -> int:
    """Return the unsigned number in the ``size`` bytes at ``start``, at most 8, or EVERYTHING if it is greater."""
    found = int.from_bytes(chunk[start : start + size], "little" if little_endian else "big")
    return min(found, EVERYTHING)
