"""The poller's descriptor as the kernel knows it, and a poller that the kernel refuses everything."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from engine.ends import End
from support import guards


def watching(end: End) -> list[int]:
    """Return the epoll descriptors of this process that watch the connection of ``end``."""
    watched = f"tfd:{end.transport.get_extra_info('socket').fileno():>9} "
    return [
        number
        for number, target in sorted(guards.open_descriptors())
        if "eventpoll" in target and watched in pathlib.Path(f"/proc/self/fdinfo/{number}").read_text()
    ]


@contextlib.contextmanager
def refusing(poller: int) -> Iterator[None]:
    """The epoll descriptor ``poller`` is something else inside: nothing can be watched, nothing becomes ready.

    So it is with a program that closes descriptors it does not know, and with max_user_watches used up.
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
