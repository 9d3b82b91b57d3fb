"""The length prefix of a frame."""

from __future__ import annotations

from .choices import BYTE_ORDERS, PREFIX_SIZES, choice


def length_prefix(size: int, length_bytes: int, byteorder: str, stream: object) -> bytes:
    """Return the prefix of a frame of ``size`` bytes. ``stream`` is for messages.

    Raise ValueError if the size does not fit in the prefix, or another argument has a value that is not accepted.
    """
    choice(length_bytes, PREFIX_SIZES, "send_frame", "length_bytes", stream)
    little = choice(byteorder, BYTE_ORDERS, "send_frame", "byteorder", stream)
    try:
        return size.to_bytes(length_bytes, "little" if little else "big")
    except OverflowError:
        raise ValueError(
            f"send_frame(): a frame of {size} bytes does not fit in length_bytes={length_bytes}, which allows "
            f"{(1 << 8 * length_bytes) - 1} bytes; pass a greater length_bytes= ({stream!r})"
        ) from None
