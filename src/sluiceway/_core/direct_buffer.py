"""A buffer whose bytes are received into the result of a large read: the pure variant, which has none.

``_core_c/direct_buffer.pyx`` has one: only pointers can fill a bytes object that already exists.
"""

from __future__ import annotations

from .chunk_buffer import ChunkBuffer


def direct_buffer(plain: ChunkBuffer, target_size: int, ahead: int) -> ChunkBuffer | None:
    """A DirectBuffer in place of ``plain`` for a read of ``target_size`` bytes; None in the pure core."""
    return None
