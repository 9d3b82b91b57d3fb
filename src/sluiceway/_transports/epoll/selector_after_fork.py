"""A forked child that continues asyncio's loop: replace the epoll set that its selector shares with the parent."""

from __future__ import annotations

import contextlib
import os
import select
import selectors


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
