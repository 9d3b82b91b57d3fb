"""What pollers do before and after a fork, and how a child process replaces the epoll sets of its parent."""

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
    """Let ``poller`` take part in each later fork of this process, until the poller is freed.

    Before a fork, the parent process calls ``poller._flush_before_fork()``, which sends the corked writes. After it,
    the child process calls ``poller._forked()``, which resets the state.
    """
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


def replace_epoll_set(loop: Any) -> None:
    """Replace the epoll set of the selector of ``loop`` in a child process. The registrations stay the same.

    The child shares the set with its parent: a socket that the child unregisters would be unregistered for the parent
    as well, and each process would be woken for the sockets of the other. asyncio does not replace the set. A selector
    of another kind is left unchanged, because it has no state in the kernel.
    """
    selector = loop._selector
    if not isinstance(selector, selectors.EpollSelector):
        return
    try:
        with select.epoll() as new:
            for key in selector.get_map().values():
                # The child may have closed some of the descriptors.
                with contextlib.suppress(OSError):
                    new.register(key.fd, _epoll_events(key.events))
            os.dup2(new.fileno(), selector.fileno(), inheritable=False)
    except OSError:
        _poll_instead(loop)


def _poll_instead(loop: Any) -> None:
    """Give ``loop`` a selector that needs no descriptor, unless it watches more descriptors than the limit allows."""
    shared = loop._selector
    selector = selectors.PollSelector()
    with contextlib.suppress(OSError):
        for key in shared.get_map().values():
            with contextlib.suppress(OSError):
                os.fstat(key.fd)
                selector.register(key.fileobj, key.events, key.data)
        selector.select(0)
        loop._selector = selector
        shared.close()


def _epoll_events(events: int) -> int:
    reading = select.EPOLLIN if events & selectors.EVENT_READ else 0
    return reading | (select.EPOLLOUT if events & selectors.EVENT_WRITE else 0)
