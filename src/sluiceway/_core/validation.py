"""Checks of arguments of the public API.

The functions ``as_...`` return the checked value, or raise TypeError, ValueError or BufferError.
"""

from __future__ import annotations

import inspect
import math
import operator
from typing import Any, TypeAlias

from .._constants import DEFAULT_LIMIT, UNBOUNDED_LIMIT

BytesLike: TypeAlias = bytes | bytearray | memoryview
"""The types that typeshed declares for data in asyncio. Every object with the buffer protocol is accepted."""


def as_count(n: Any, call: str) -> int:
    """Return ``n``, an argument of the method ``call``, as an int. Raise TypeError unless it has ``__index__``."""
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{call}(): n argument must be an integer, not {type(n).__name__!r}: {n!r}") from None


def as_size(size: Any, call: str, name: str, least: int, stream: object, finite: bool = False) -> int:
    """Return ``size``, the argument ``name`` of the method ``call`` of ``stream``, or UNBOUNDED_LIMIT if it is greater.

    Raise TypeError unless ``size`` is an integer other than a bool, or ``math.inf`` if ``finite`` is False. Raise
    ValueError if ``size`` is less than ``least``.
    """
    if type(size) is not int:
        if size == math.inf and not finite:
            return UNBOUNDED_LIMIT
        try:
            if type(size) is bool:
                raise TypeError
            size = operator.index(size)
        except TypeError:
            raise TypeError(
                f"{call}(): {name} must be a number of bytes, not {type(size).__name__!r}: {size!r} ({stream!r})"
            ) from None
    if size < least:
        raise ValueError(f"{call}(): {name} must be at least {least}, not {size} ({stream!r})")
    return min(int(size), UNBOUNDED_LIMIT)


def as_limit(limit: Any, call: str = "") -> int:
    """Return the limit of a reader in bytes. None means 64 KiB, and ``math.inf`` means no limit.

    Raise TypeError unless ``limit`` is an integer, a float or None. Raise ValueError unless it is whole and greater
    than 0. ``call``: the name of sluiceway's own function, which refuses a bool. Without ``call``, a bool is a number,
    as in asyncio.
    """
    if type(limit) is int and 0 < limit <= UNBOUNDED_LIMIT:
        return limit
    if limit is None:
        return DEFAULT_LIMIT
    prefix = f"{call}(): " if call else ""
    if isinstance(limit, float):
        if limit == math.inf:
            return UNBOUNDED_LIMIT
        if not limit.is_integer():
            raise ValueError(f"{prefix}limit argument must be a whole number of bytes, math.inf or None, not {limit!r}")
        limit = int(limit)
    try:
        if call and isinstance(limit, bool):
            raise TypeError
        limit = operator.index(limit)
    except TypeError:
        raise TypeError(
            f"{prefix}limit argument must be a whole number of bytes, math.inf or None, not {type(limit).__name__!r}: "
            f"{limit!r}"
        ) from None
    if limit <= 0:
        raise ValueError(f"{prefix}Limit cannot be <= 0: {limit} was given")
    return min(int(limit), UNBOUNDED_LIMIT)


def clamped(size: float) -> int:
    """Return ``size`` as an int, without its fraction, and within -UNBOUNDED_LIMIT to UNBOUNDED_LIMIT.

    For sizes that asyncio compares without a check: it accepts ``math.inf``, fractions and any int.
    """
    return int(max(-UNBOUNDED_LIMIT, min(size, UNBOUNDED_LIMIT)))


def float_if_number(value: Any) -> Any:
    """Return ``value`` as a float if it is a number of another library, such as numpy's, else unchanged."""
    if isinstance(value, (int, float, str, bytes)) or not hasattr(value, "__float__"):
        return value
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        # numpy's arrays and times have the method as well. The caller names the argument in its error.
        pass
    return value


def as_seconds(seconds: Any, name: str, stream: Any = None, *, required: bool = False) -> float:
    """Return ``seconds``, the argument ``name`` of a function or method.

    ``stream``: for the messages, the object whose method it is, which must have _describe(); None for a function.
    Raise TypeError unless ``seconds`` is an int or float, and not a bool. Raise ValueError unless it is greater than 0
    and a float can hold it. ``required``: False if the caller accepts None, and does not pass it to this function. The
    message of the TypeError then lists None as accepted.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        or_none = "" if required else " or None"
        raise TypeError(
            f"{name} argument must be a number of seconds{or_none}, not {type(seconds).__name__!r}: {seconds!r}"
            f"{_of(stream)}"
        )
    if not seconds > 0:
        raise ValueError(f"{name} argument must be greater than 0, not {seconds!r}{_of(stream)}")
    try:
        float(seconds)
    except OverflowError:
        raise ValueError(f"{name} argument must be a number of seconds that a float can hold{_of(stream)}") from None
    return seconds


def _of(stream: Any) -> str:
    return "" if stream is None else f" ({stream._describe()})"


def as_separators(separator: Any, call: str = "readuntil", stream: object = None) -> tuple[bytes, ...]:
    """Return the separators of the method ``call`` of ``stream`` as a tuple of bytes, shortest first.

    Raise TypeError unless ``separator`` is a bytes-like object, or a tuple of these. Raise ValueError if the tuple or a
    separator is empty, or a memoryview was released. Without ``stream``, the message for an empty tuple or separator
    starts with asyncio's.
    """
    if type(separator) is bytes and separator:
        return (separator,)
    given = separator if isinstance(separator, tuple) else (separator,)
    where = "" if stream is None else f" ({stream!r})"
    if not given:
        if stream is not None:
            raise ValueError(f"{call}(): separator must not be an empty tuple{where}")
        raise ValueError("Separator should contain at least one element: an empty tuple was given")
    separators = []
    for one in given:
        try:
            copied = bytes(memoryview(one))
        except TypeError:
            raise TypeError(
                f"{call}(): separator argument must be bytes or a tuple of bytes, not {type(one).__name__!r}: "
                f"{one!r}{where}"
            ) from None
        except ValueError as error:
            # A memoryview that was released.
            raise ValueError(f"{call}(): separator argument cannot be read: {error}{where}") from None
        if not copied:
            if stream is not None:
                raise ValueError(f"{call}(): separator must have at least one byte, not {one!r}{where}")
            raise ValueError("Separator should be at least one-byte string: an empty one was given")
        separators.append(copied)
    if len(separators) > 1:
        separators.sort(key=len)
    return tuple(separators)


def as_bytes(data: Any, call: str = "", stream: object = None) -> bytes:
    """Return a copy of the bytes of ``data``, so that later changes of ``data`` have no effect.

    Raise TypeError unless ``data`` has the buffer protocol, and ValueError or BufferError if its bytes cannot be read.
    ``call`` and ``stream``: for the messages of a method of Stream.
    """
    if type(data) is bytearray:
        return bytes(data)
    try:
        # bytes() would call __bytes__ of a subclass of bytes; its buffer is what asyncio sends.
        view = memoryview(data)
    except (TypeError, ValueError, BufferError) as error:
        # Not the error itself, whose traceback refers to this frame.
        refusal, reason = type(error), str(error)
    else:
        return view.tobytes()
    prefix, where = (f"{call}(): ", f" ({stream!r})") if call else ("", "")
    if not issubclass(refusal, TypeError):
        # A memoryview that was released, or an object that refuses.
        message = f"{prefix}data argument cannot be read: {reason}{where}"
        raise (BufferError if issubclass(refusal, BufferError) else ValueError)(message)
    # asyncio's message, with what to do.
    given = repr(type(data).__name__)
    if isinstance(data, str):
        given += "; encode it first"
    elif inspect.isawaitable(data):
        given += "; await it first"
    elif hasattr(data, "__anext__"):
        given += "; send its items with async for"
    raise TypeError(f"{prefix}data argument must be a bytes-like object, not {given}{where}")


def joined(data: Any) -> bytes:
    """Return the bytes of all buffers of the iterable ``data`` in one bytes object. The buffers may be strided.

    ``data`` must not be an object for which must_be_awaited() returns True.
    """
    return b"".join([piece if type(piece) is bytes else as_bytes(piece) for piece in data])


def must_be_awaited(data: Any) -> bool:
    """Return True if ``data`` is an awaitable or an asynchronous iterator.

    A forgotten ``await`` must not lose data: compiled coroutines can be iterated, which runs a part of them.
    """
    return inspect.isawaitable(data) or hasattr(data, "__anext__")


def as_writable(buffer: Any, call: str, stream: object) -> memoryview:
    """Return a view of the bytes of ``buffer``, the argument of the method ``call`` of ``stream``.

    Raise TypeError unless ``buffer`` is writable and contiguous. Raise ValueError if it is empty or was released, and
    BufferError if it refuses the access.
    """
    try:
        view = memoryview(buffer)
        if view.readonly or not view.c_contiguous:
            raise TypeError
    except TypeError:
        raise TypeError(
            f"{call}(): buffer must be a writable and contiguous bytes-like object, not {type(buffer).__name__!r} "
            f"({stream!r})"
        ) from None
    except (ValueError, BufferError) as error:
        message = f"{call}(): buffer cannot be written: {error} ({stream!r})"
        raise (BufferError if isinstance(error, BufferError) else ValueError)(message) from None
    if not view.nbytes:
        raise ValueError(f"{call}(): buffer must not be empty ({stream!r})")
    return view.cast("B")


def release_view(view: memoryview) -> None:
    """Release ``view``. If a transport still has the memory, do nothing: the transport releases it later."""
    # Not suppress(), which allocates memory: a MemoryError would lose the bytes that a read has stored in the memory.
    try:
        view.release()
    except BufferError:
        pass
