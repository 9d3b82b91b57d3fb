"""Whether a connection's descriptor is open, by number: read it before the connection is closed."""

import os
from typing import Any


def descriptor_of(writer: Any) -> tuple[int, int]:
    """Return the descriptor of a connection with the inode behind it: the number may be given out again."""
    number: int = writer.get_extra_info("socket").fileno()
    return number, os.fstat(number).st_ino


def is_open(descriptor: tuple[int, int]) -> bool:
    """Say whether it is still open, and still the same socket."""
    number, inode = descriptor
    try:
        return os.fstat(number).st_ino == inode
    except OSError:
        return False
