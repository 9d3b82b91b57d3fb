"""Search and slice chunks of received bytes, and empty a list of chunks: the pure variant.

``_core_c/search.pyx`` has the same functions, with pointers. Both variants return the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._constants import EVERYTHING


def find_in(chunk: bytes | bytearray, pattern: bytes, start: int, end: int) -> int:
    """Return the offset of the first ``pattern`` in ``chunk`` from ``start`` to ``end``, or -1 if there is none."""
    return chunk.find(pattern, start, end)


# The same for a chunk that is a bytes object, up to its end.
find_in_bytes: Callable[[bytes, bytes, int], int] = bytes.find


def piece(chunk: bytes, start: int, end: int) -> bytes:
    """Return the bytes from ``start`` to ``end``. Both must be within the chunk."""
    return chunk[start:end]


def cut(chunk: bytes | bytearray, start: int, end: int) -> bytes:
    """Return the bytes from ``start`` to ``end``, which may be beyond the chunk. A whole bytes object is not copied."""
    found = chunk[start:end]
    return found if type(found) is bytes else bytes(found)


def gather(chunks: list[Any], index: int, start: int, n: int) -> bytes:
    """Return ``n`` bytes of several chunks: from the offset ``start`` of ``chunks[index]`` on. All must be there."""
    pieces = []
    while n > 0:
        part = memoryview(chunks[index])[start : start + n]
        pieces.append(part)
        n -= len(part)
        start = 0
        index += 1
    return b"".join(pieces)


def number(chunk: bytes | bytearray, start: int, size: int, little_endian: bool) -> int:
    """Return the unsigned number in the ``size`` (at most 8) bytes at ``start``, but at most EVERYTHING.

    The chunk must contain all these bytes.
    """
    found = int.from_bytes(chunk[start : start + size], "little" if little_endian else "big")
    return min(found, EVERYTHING)


def joined(chunk: bytes | bytearray, data: bytes) -> bytearray:
    """Return a new bytearray with the bytes of both."""
    result = bytearray(chunk)
    result += data
    return result


def drop_first(pieces: list[Any], n: int) -> None:
    """Remove the first ``n`` items."""
    del pieces[:n]


# Removes all items of a list.
clear_list: Callable[[list[Any]], None] = list.clear
