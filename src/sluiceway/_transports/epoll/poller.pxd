from libc.stdint cimport uint32_t, uint64_t

from sluiceway._core_c.receive_memory cimport Scratch
from sluiceway._core_c.raw_transport cimport Corkable
from sluiceway._core_c.task_stepper cimport Stepper
from sluiceway._transports.epoll.system cimport epoll_event

cdef enum:
    BATCH = 256              # the most events of one epoll_wait() call
    GATHER_MAXIMUM = 16384   # bytes; several pieces of at most this size together are copied and sent as one

cdef class Pollable(Corkable):
    """The base class of a raw transport whose descriptor the poller watches."""
    cdef int fd
    # The events to watch for, and those that the kernel or the loop watches.
    cdef uint32_t interest
    cdef uint32_t registered
    cdef uint32_t generation
    cdef Poller poller

    cdef int ready(self, uint32_t events) except -1
    cdef bint closed_by_program(self) except -1
    cdef int watch_failed(self, error) except -1
    cdef int lost(self, error) except -1
    cdef int watch(self, uint32_t interest) except -1
    cdef int follow(self) except -1

cdef class Poller(Stepper):
    cdef int epfd
    cdef list table
    cdef Py_ssize_t watched
    # The only socket, if the loop itself watches it; else None.
    cdef Pollable sole_socket
    # True on asyncio's selector loops and loops derived from them, which have a table of transports.
    cdef readonly bint of_asyncio
    # True if the loop can watch any socket: its _add_reader() is asyncio's.
    cdef bint watches_itself
    # Weak references to the transports by descriptor; on asyncio's loops, the dict of the loop's own table.
    cdef dict transports
    cdef uint32_t generations
    # The events of the current round. Those from next_event on are not processed yet.
    cdef epoll_event events[BATCH]
    cdef int next_event
    cdef int event_count
    cdef Py_ssize_t users
    cdef bint closing_soon
    # Whether the loop can watch the epoll descriptor; None until can_serve() has tested that.
    cdef public object usable
    # Whether a transport was reading when loop.sendfile() read its _sendfile_compatible.
    cdef public bint read_before_sendfile
    # True in a forked child that still shares the epoll sets with its parent.
    cdef bint forked
    # The sockets whose connection has ended, each with the error and the context in which it ended.
    cdef object lost
    # The handle of _on_lost(), from queue_handle().
    cdef object lost_turn
    # The callback of the loop's handles for the poller: _on_ready, as one object that DirectSelect compares.
    cdef object on_ready
    cdef readonly Scratch scratch
    # The buffer for pieces that are sent as one. Separate from scratch, whose received bytes may still be in use.
    cdef char* gathered

    cdef int enter(self, int fd, transport) except -1
    cdef int close_when_idle(self) except -1
    cdef int lose(self, Pollable pollable, error) except -1
    cdef int watch_in_loop(self, int fd) except -1
    cdef int unwatch_in_loop(self, int fd) except -1
    cdef int remove_reader(self, int fd) except -1
    cdef int separate(self) except -1
    cdef int control(self, int operation, Pollable pollable, uint32_t interest) except -1
    cdef int add(self, Pollable pollable, uint32_t interest) except -1
    cdef int modify(self, Pollable pollable, uint32_t interest) except -1
    cdef int remove(self, Pollable pollable) except -1
    cdef int register_sole_socket(self) except -1
    cdef int register(self, Pollable pollable, uint32_t interest) except -1
    cdef int serve(self) except -1
    cdef int serve_rounds(self) except -1
