"""What a caller may hand to a stream, checked once. Each function returns the checked value or raises a TypeError or
ValueError whose sentence says what was given and what is accepted."""

from __future__ import annotations

import math
import operator
from typing import Any, TypeAlias

from .._constants import DEFAULT_LIMIT, UNBOUNDED_LIMIT

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""What asyncio's stubs accept as data. Any other object with a buffer works too (contract S11)."""


def as_count(n: Any, call: str) -> int:
    """The number of bytes given to ``call``; any object with ``__index__``."""
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{call}() takes a whole number of bytes, not {type(n).__name__} {n!r}") from None


def as_limit(limit: Any) -> int:
    """A stream's limit in bytes; None is the default, an infinite float is no limit."""
    if limit is None:
        return DEFAULT_LIMIT
    if isinstance(limit, float):
        if limit == math.inf:
            return UNBOUNDED_LIMIT
        if not limit.is_integer():
            raise ValueError(f"limit is a whole number of bytes or infinity, not {limit!r}")
        limit = int(limit)
    try:
        limit = operator.index(limit)
    except TypeError:
        raise TypeError(f"limit is a number of bytes or None, not {type(limit).__name__} {limit!r}") from None
    if limit <= 0:
        raise ValueError(f"Limit cannot be <= 0: {limit} was given")
    return min(int(limit), UNBOUNDED_LIMIT)


def as_seconds(seconds: Any, name: str) -> float:
    """The timeout ``name``, in seconds."""
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} is a number of seconds or None, not {type(seconds).__name__} {seconds!r}")
    if not seconds > 0:
        raise ValueError(f"{name} should be a positive number of seconds, got {seconds!r}")
    return seconds


def as_separators(separator: Any) -> tuple[bytes, ...]:
    """The separators of ``readuntil``, shortest first: one bytes-like object or a tuple of them, none empty."""
    given = separator if isinstance(separator, tuple) else (separator,)
    if not given:
        raise ValueError("Separator should contain at least one element: an empty tuple was given")
    separators = []
    for one in given:
        if not isinstance(one, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"readuntil() takes bytes or a tuple of bytes as separator, not {type(one).__name__} {one!r}"
            )
        if not len(one):
            raise ValueError("Separator should be at least one-byte string: an empty one was given")
        separators.append(bytes(one))
    if len(separators) > 1:
        separators.sort(key=len)
    return tuple(separators)


def as_bytes(data: Any) -> bytes:
    """The bytes of ``data`` as they are now, whatever its owner does to them later (contract W7)."""
    if type(data) is bytearray:
        return bytes(data)
    try:
        # Subclasses of bytes too: bytes() would ask their __bytes__, the kernel is given their content.
        view = memoryview(data)
    except TypeError:
        # asyncio's words.
        raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}") from None
    return view.tobytes()
