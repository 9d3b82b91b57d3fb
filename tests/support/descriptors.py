"""Whether a connection's descriptor is open, by number: read it before the connection is closed. None left at all,
or enough for many."""

import contextlib
import os
import resource
from collections.abc import Iterator
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


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Nothing can be opened inside: the limit is at the lowest free number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def descriptors_for(count: int) -> Iterator[None]:
    """Allow for ``count`` open descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
