"""Pollers at a fork: what they do before it, and how a child replaces the epoll sets that it shares with its parent."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import weakref
from typing import Any

# Weak references to all pollers of this process. Several threads may add and remove pollers at the same time. Each use
# of the set is therefore a single call in C, which is atomic. A WeakSet is written in Python and raises in this case.
_pollers: set[weakref.ref[Any]] = set()


def register_poller(poller: Any) -> None:
    """Call ``poller`` at each fork, as long as it exists."""
    _pollers.add(weakref.ref(poller, _pollers.discard))


def _before_fork() -> None:
    for reference in _pollers.copy():
        if (poller := reference()) is not None:
            poller._flush_before_fork()


def _after_fork() -> None:
    for reference in _pollers.copy():
        if (poller := reference()) is not None:
            poller._forked()


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def replace_epoll_set(selector: selectors.BaseSelector) -> None:
    """Replace the epoll set of ``selector`` with a new one, keeping its descriptor and registrations.

    With a shared set, a socket that the child unregisters is unregistered for the parent as well, and each process is
    woken for the sockets of the other. asyncio itself does not replace the set. Other kinds of selectors have no state
    in the kernel.
    """
    if not isinstance(selector, selectors.EpollSelector):
        return
    with select.epoll() as new:
        for key in selector.get_map().values():
            # The child may have closed some of the descriptors.
            with contextlib.suppress(OSError):
                new.register(key.fd, _epoll_events(key.events))
        os.dup2(new.fileno(), selector.fileno(), inheritable=False)


def _epoll_events(events: int) -> int:
    reading = select.EPOLLIN if events & selectors.EVENT_READ else 0
    return reading | (select.EPOLLOUT if events & selectors.EVENT_WRITE else 0)
