"""The pure variant of ``_core_c/direct_buffer.pyx``, whose DirectBuffer receives into the result of a large read.

The pure core has no DirectBuffer, because only C code can write into an existing bytes object.
"""

from __future__ import annotations

from .chunk_buffer import ChunkBuffer


def direct_buffer(plain: ChunkBuffer, target_size: int, ahead: int) -> ChunkBuffer | None:
    """Return the DirectBuffer that replaces ``plain`` in a read of ``target_size`` bytes: None in this variant.

    ``ahead``: the most bytes to allocate before data arrives.
    """
    return None
