# cython: language_level=3, binding=False
"""The open sockets of a poller, watched or not, so that they can be closed with the loop.

The list refers to nothing strongly: a connection that the program drops is freed as if the list did not exist. Its links
are fields of the sockets, and cost no allocation. They refer to each other and to the head, never to a Python object
that the garbage collector may have cleared.
"""

import warnings


cdef void unlink(Link* link) noexcept:
    """Take ``link`` out of its list, if it is in one."""
    if link.previous != NULL:
        link.previous.following = link.following
        link.following.previous = link.previous
        link.previous = link.following = NULL


cdef class OpenSockets:
    """Owners of links; the latest added is the first."""

    def __cinit__(self):
        self.head.previous = self.head.following = &self.head

    def __dealloc__(self):
        while self.head.following != &self.head:
            unlink(self.head.following)

    cdef int add(self, Link* link, object owner) except -1:
        """``owner``, of which ``link`` is a field, calls unlink() in its __dealloc__ at the latest."""
        link.owner = <void*>owner
        link.previous = &self.head
        link.following = self.head.following
        link.following.previous = link
        self.head.following = link
        return 0

    cdef int close_all(self) except -1:
        """The loop is closed: close each socket, then warn of those that the program had not closed."""
        warned = []
        while (owner := self.take()) is not None:
            warned.append(owner.loop_closed())
        for warning in filter(None, warned):
            warnings.warn(warning, ResourceWarning)
        return 0

    cdef object take(self):
        """The first owner, which is in the list no more; None where there is none."""
        cdef Link* link = self.head.following
        if link == &self.head:
            return None
        unlink(link)
        return <object>link.owner


class LoopWatch:
    """What the loop holds of a poller that it watches: the end of this object reports a loop that was closed."""

    def __init__(self, poller):
        self.poller = poller

    def __del__(self):
        self.poller._watch_ended()
