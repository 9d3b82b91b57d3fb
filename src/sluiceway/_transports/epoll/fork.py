"""What happens to pollers at a fork, and to the epoll set that a child's selector shares with the parent."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import weakref
from typing import Any

# Weak references to those of this process, whatever their loops are. Threads that make and drop pollers change the set
# meanwhile: each use of it is one call in C, which is atomic. A WeakSet, written in Python, fails then.
_pollers: set[weakref.ref[Any]] = set()


def register_poller(poller: Any) -> None:
    """Have ``poller`` take part in forks for as long as it exists."""
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
    """Give ``selector`` a new epoll set, with the same descriptor and registrations.

    asyncio itself goes on with the shared set: what the child stops watching, the parent no longer receives, and each
    process is woken for the sockets of the other. Other selectors keep nothing in the kernel.
    """
    if not isinstance(selector, selectors.EpollSelector):
        return
    with select.epoll() as new:
        for key in selector.get_map().values():
            # The child may have closed some.
            with contextlib.suppress(OSError):
                new.register(key.fd, _epoll_events(key.events))
        os.dup2(new.fileno(), selector.fileno(), inheritable=False)


def _epoll_events(events: int) -> int:
    reading = select.EPOLLIN if events & selectors.EVENT_READ else 0
    return reading | (select.EPOLLOUT if events & selectors.EVENT_WRITE else 0)
