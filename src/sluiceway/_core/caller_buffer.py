"""The pure variant of ``_core_c/caller_buffer.pyx``, whose CallerBuffer receives into a buffer of the program.

The pure core has no CallerBuffer: caller_buffer() returns None, and a read copies the bytes from the buffer of the
reader. So the calls of filled(), lent() and hand_over() in stream_reads.py are never reached.
"""

from __future__ import annotations

from typing import Any

from .chunk_buffer import ChunkBuffer


def caller_buffer(plain: ChunkBuffer, target: Any) -> ChunkBuffer | None:
    """Return the CallerBuffer that replaces ``plain`` in a read into ``target``: None in this variant."""
    return None


def filled(buffer: ChunkBuffer) -> int:
    """Return the number of unread bytes in the program's buffer. More unread bytes may be in the reader's own."""
    raise NotImplementedError


def lent(buffer: ChunkBuffer) -> bool:
    """Return True if a transport has a view of the program's buffer, which cannot be resized while the view exists."""
    raise NotImplementedError


def hand_over(buffer: ChunkBuffer) -> int:
    """End the read. Return the number of bytes in the program's buffer, which no longer count as unread."""
    raise NotImplementedError
