from libc.stdint cimport uint32_t, uint64_t

from sluiceway._core_c.raw_transport cimport RawTransport
from sluiceway._core_c.receive_memory cimport Scratch
from sluiceway._core_c.waiter cimport Waiter
from sluiceway._transports.epoll.system cimport epoll_event

cdef enum:
    BATCH = 256              # events asked for at once
    GATHER_MAXIMUM = 16384   # bytes in several pieces that are copied together and sent as one, at most

cdef class Pollable(RawTransport):
    """A descriptor that the poller watches."""
    cdef int fd
    cdef uint32_t interest
    cdef uint32_t generation
    cdef Poller poller

    cdef int ready(self, uint32_t events) except -1
    cdef int flush_corked(self) except -1
    cdef int watch_failed(self, error) except -1
    cdef int watch(self, uint32_t interest) except -1

cdef class Poller:
    cdef object loop
    cdef int epfd
    cdef list table
    cdef Py_ssize_t watched
    # The only socket, where the loop watches it itself.
    cdef Pollable sole_socket
    # An asyncio loop: it can watch a socket itself, and knows the transport of each.
    cdef readonly bint watches_itself
    # By descriptor, weak references to the transports; on asyncio's loops the dict inside their own table of these.
    cdef dict transports
    cdef uint32_t generations
    # Events of the current round; those from next_event on are not served yet.
    cdef epoll_event events[BATCH]
    cdef int next_event
    cdef int event_count
    cdef Py_ssize_t users
    cdef bint closing_soon
    cdef public object usable
    # True while the poller steps tasks: writes wait until the tasks of the round were stepped.
    cdef bint stepping
    cdef bint step_at_once
    # A child: the epoll sets are still the parent's.
    cdef bint forked
    cdef list corked
    # The handle that flushes them in a turn of the loop, the loop's queue of handles, and whether the handle is in it.
    cdef object turn
    cdef object ready
    cdef object append_ready
    cdef object remove_ready
    cdef bint turn_scheduled
    # How many calls of serve() and step() are nested; and how many were when the handle was put there.
    cdef int depth
    cdef int turn_depth
    cdef bint loop_nests
    # When the oldest of them was written, and in which thread; 0 where nothing is corked.
    cdef long long corked_at
    cdef unsigned long corked_in
    # A future that is done, for tasks that are stepped at once.
    cdef object done
    cdef readonly Scratch scratch
    # For pieces that are sent as one; memory of its own, since received bytes may still be in use.
    cdef char* gathered
    cdef object __weakref__

    cdef int enter(self, int fd, transport) except -1
    cdef int close_when_idle(self) except -1
    cdef int watch_in_loop(self, int fd) except -1
    cdef int unwatch_in_loop(self, int fd) except -1
    cdef int separate(self) except -1
    cdef int control(self, int operation, Pollable pollable, uint32_t interest) except -1
    cdef int add(self, Pollable pollable, uint32_t interest) except -1
    cdef int modify(self, Pollable pollable, uint32_t interest) except -1
    cdef int remove(self, Pollable pollable) except -1
    cdef int step(self, PollerWaiter waiter) except -1
    cdef int cork(self, Pollable pollable) except -1
    cdef int schedule_turn(self) except -1
    cdef bint corked_long(self) except -1
    cdef int take_turn_back(self) except -1
    cdef int end_step(self, bint outer_step, bint outer_stepping) except -1
    cdef int flush(self) except -1
    cdef int register_sole_socket(self) except -1
    cdef int register(self, Pollable pollable, uint32_t interest) except -1
    cdef bint may_step(self) except -1
    cdef int serve(self) except -1
    cdef int serve_rounds(self) except -1

cdef class PollerWaiter(Waiter):
    cdef Poller poller
