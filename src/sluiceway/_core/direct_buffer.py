"""The pure variant of ``_core_c/direct_buffer.pyx``, which receives into the result of a large read.

The pure variant has no such buffer: only C code can write into an existing bytes object.
"""

from __future__ import annotations

from .chunk_buffer import ChunkBuffer


def direct_buffer(plain: ChunkBuffer, target_size: int, ahead: int) -> ChunkBuffer | None:
    """Return a DirectBuffer that replaces ``plain`` for a read of ``target_size`` bytes. None in the pure core."""
    return None
