"""Epoll descriptors of this process: which of them watch a socket, and their replacement by another file."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from engine.peer_connections import PeerConnection
from support import file_descriptors


def epoll_watchers(connection: PeerConnection) -> list[int]:
    """Return the epoll descriptors of this process that watch ``connection``."""
    watched = f"tfd:{connection.transport.get_extra_info('socket').fileno():>9} "
    return [
        number
        for number, target in sorted(file_descriptors.open_descriptors())
        if "eventpoll" in target and watched in pathlib.Path(f"/proc/self/fdinfo/{number}").read_text()
    ]


@contextlib.contextmanager
def epoll_replaced(poller: int) -> Iterator[None]:
    """Replace the epoll descriptor ``poller`` by another file: registrations fail and no event arrives.

    The same happens in a program that closes descriptors it does not own, and when max_user_watches is reached.
    """
    kept = os.dup(poller)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, poller, inheritable=False)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, poller, inheritable=False)
        os.close(kept)
