"""Search and slice one chunk of received bytes: the pure variant.

``_core_c/search.pyx`` has the same functions, over pointers; they return the same for every argument.
"""

from __future__ import annotations


def find_in(chunk: bytes | bytearray, pattern: bytes, start: int) -> int:
    """The offset of the first ``pattern`` in ``chunk`` at or after ``start``, or -1."""
    return chunk.find(pattern, start)


def cut(chunk: bytes | bytearray, start: int, end: int) -> bytes:
    """The bytes from ``start`` to ``end``, of a bytes object the whole of it as it is."""
    piece = chunk[start:end]
    return piece if type(piece) is bytes else bytes(piece)
