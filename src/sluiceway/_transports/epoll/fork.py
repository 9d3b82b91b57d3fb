"""Replace the epoll set of a loop's selector in a forked child, which shares the set with its parent.

An epoll set is what an epoll descriptor refers to in the kernel: the watched descriptors and their events.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
from typing import Any


def replace_epoll_set(loop: Any) -> None:
    """Replace the epoll set of the selector of ``loop``, an asyncio loop, in a child process. Keep the registrations.

    The child shares the set with its parent: a socket that the child unregisters would be unregistered for the parent
    as well, and each process would be woken for the sockets of the other. asyncio does not replace the set. The other
    selectors of Linux, with poll() and select(), have no state in the kernel: they are left unchanged.
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
    """Called if no descriptor is left for a new epoll set. Give ``loop`` a selector with poll(), which needs none.

    If ``loop`` watches more descriptors than RLIMIT_NOFILE, poll() fails, and ``loop`` keeps the shared set.
    """
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
