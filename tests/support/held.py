"""Old name of ``support.memory_usage``, for tests/core/ until its imports are renamed."""

from support.memory_usage import buffered_size as unread_bytes
from support.memory_usage import retained_memory as held_bytes

__all__ = ["held_bytes", "unread_bytes"]
