"""The file descriptors of this process: which are open, and limits on their number."""

import contextlib
import os
import resource
from collections.abc import Iterator
from typing import Any

_DIRECTORY = "/proc/self/fd"


def open_descriptors() -> set[tuple[int, str]]:
    """Return every open descriptor of this process with its target."""
    found = set()
    if os.path.isdir(_DIRECTORY):
        for name in os.listdir(_DIRECTORY):
            with contextlib.suppress(FileNotFoundError):  # the descriptor that listed the directory
                found.add((int(name), os.readlink(f"{_DIRECTORY}/{name}")))
    return found


def socket_descriptor(writer: Any) -> tuple[int, int]:
    """Return the descriptor of an open connection with its inode, since the number may be reused after a close."""
    number: int = writer.get_extra_info("socket").fileno()
    return number, os.fstat(number).st_ino


def is_descriptor_open(descriptor: tuple[int, int]) -> bool:
    """Return whether the descriptor is still open on the same socket."""
    number, inode = descriptor
    try:
        return os.fstat(number).st_ino == inode
    except OSError:
        return False


@contextlib.contextmanager
def descriptors_exhausted(free: int = 0) -> Iterator[None]:
    """Set RLIMIT_NOFILE so that at most ``free`` descriptors can be opened inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def raised_descriptor_limit(count: int) -> Iterator[None]:
    """Raise RLIMIT_NOFILE to ``count`` descriptors, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
