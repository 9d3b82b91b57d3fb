"""The keywords of framing that accept a few values, and their check."""

from __future__ import annotations

# In the order of the numbers in _core/record_iterator.py.
POLICIES = ("raise", "skip", "truncate", "chunks")
PREFIX_SIZES = (1, 2, 4, 8)
BYTE_ORDERS = ("big", "little")


def choice(value: object, accepted: tuple[object, ...], call: str, name: str, stream: object) -> int:
    """Return the index of ``value`` in ``accepted``, or raise ValueError.

    ``call``, ``name`` and ``stream`` are for the message: the method, its argument, and the stream.
    """
    # 4.0 == 4, and True == 1.
    if isinstance(value, bool) or not isinstance(value, type(accepted[0])) or value not in accepted:
        listed = ", ".join(map(repr, accepted))
        raise ValueError(f"{call}(): {name} must be one of {listed}, not {value!r} ({stream!r})")
    return accepted.index(value)
