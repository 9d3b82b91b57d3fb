# cython: language_level=3, binding=False
"""The poller: one epoll descriptor for all of the package's sockets of a running loop, which watches only that one.

When the loop wakes it, the poller collects every ready socket at once and serves them without a handle, selector key or
callback for each. Under load it asks again, for a bounded number of rounds and a bounded time, before it returns to the
loop.

A handler that runs in a batch may close other connections of it. An event of the kernel carries the generation of its
registration; it is dropped if that is gone.
"""

import asyncio
import contextvars
import weakref
from asyncio.selector_events import BaseSelectorEventLoop

from cpython.exc cimport PyErr_SetFromErrno
from cpython.mem cimport PyMem_Malloc, PyMem_Free
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from sluiceway._core_c.receive_memory cimport Scratch
from sluiceway._transports.epoll.system cimport (
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLIN, O_CLOEXEC, close_fd, dup3, epoll_create1,
    epoll_ctl, epoll_event, epoll_wait, monotonic_ns,
)

from sluiceway._constants import SCRATCH_SIZE
from sluiceway._transports.epoll.fork import register_poller, replace_epoll_set
from sluiceway._transports.epoll.loop_watch import LoopWatch, close_sockets

cdef extern from "Python.h":
    # The field is not documented; CPython 3.7 to 3.15 have it. No public function returns the context that is entered:
    # PyContext_CopyCurrent returns another object, and PyContext_Exit needs this one.
    ctypedef struct PyThreadState:
        PyObject* context
    PyThreadState* PyThreadState_Get()
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1

cdef enum:
    ROUNDS = 16          # times that a busy poller asks again before the loop gets its turn

cdef long long SERVE_NANOSECONDS = 2000000  # then the loop gets its turn, even if events of the round are left
cdef long long CORK_NANOSECONDS = 1000000   # for how long what was written waits for the end of the round

cdef object current_task_of = asyncio.current_task
cdef object weak_reference = weakref.ref


cdef class Pollable:
    def __cinit__(self, *args):
        self.fd = -1

    cdef int ready(self, uint32_t events) except -1:
        raise NotImplementedError

    cdef int flush_corked(self) except -1:
        raise NotImplementedError

    cdef int watch_failed(self, error) except -1:
        """The kernel refused to watch the descriptor."""
        raise NotImplementedError

    cdef int watch(self, uint32_t interest) except -1:
        """Watch for the events ``interest``; 0 for none at all, not even a hang-up."""
        if interest == self.interest:
            return 0
        if self.poller.forked:
            self.poller.separate()
        if self.interest == 0:
            self.poller.add(self, interest)
        elif interest == 0:
            self.poller.remove(self)
        else:
            self.poller.modify(self, interest)
        self.interest = interest
        return 0


cdef class Poller:
    """Of one running loop; made by poller_of."""

    def __cinit__(self, loop):
        self.loop = loop
        self.epfd = -1
        self.table = []
        self.corked = []
        self.watches_itself = isinstance(loop, BaseSelectorEventLoop)
        self.loop_nests = not type(loop).__module__.startswith("uvloop")
        self.transports = loop._transports.data if self.watches_itself else {}
        if self.watches_itself:
            # Not public: the queue that call_soon() appends to. Bound methods, since each round calls them.
            self.ready = loop._ready
            self.append_ready, self.remove_ready = loop._ready.append, loop._ready.remove
            self.turn = asyncio.Handle(self._on_turn, (), loop, contextvars.Context())
        self.done = asyncio.Future(loop=loop)
        self.done.set_result(None)
        self.scratch = Scratch(SCRATCH_SIZE)
        self.gathered = <char*>PyMem_Malloc(GATHER_MAXIMUM)
        if self.gathered == NULL:
            raise MemoryError
        register_poller(self)

    def __dealloc__(self):
        PyMem_Free(self.gathered)
        if self.epfd >= 0:
            close_fd(self.epfd)

    def prepare(self):
        """Open the epoll descriptor and have the loop watch it; NotImplementedError where the loop cannot."""
        if self.forked:
            self.separate()
        if self.epfd >= 0:
            return
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        if self.epfd < 0:
            PyErr_SetFromErrno(OSError)
        try:
            self.loop.add_reader(self.epfd, self._on_poller_ready, LoopWatch(self))
        except BaseException:
            close_fd(self.epfd)
            self.epfd = -1
            raise
        self.close_when_idle()

    cdef int watch_in_loop(self, int fd) except -1:
        """Have the loop call _on_ready when ``fd`` is readable. asyncio's loops refuse the sockets of transports, ours
        included, to everything but the calls that their own transports make."""
        if self.watches_itself:
            self.loop._add_reader(fd, self._on_ready)
        else:
            self.loop.add_reader(fd, self._on_ready)
        return 0

    cdef int unwatch_in_loop(self, int fd) except -1:
        if self.watches_itself:
            self.loop._remove_reader(fd)
        else:
            self.loop.remove_reader(fd)
        return 0

    def new_waiter(self):
        """What the reads of one reader wait on (see ReceiveInterface.attach)."""
        return PollerWaiter(self.loop, self)

    def acquire(self):
        """Stay open until release(): for a socket, watched or not, and for a listener. When descriptors have run out,
        none is left to open the poller again."""
        self.prepare()
        self.users += 1

    def release(self):
        """The end of one acquire()."""
        self.users -= 1
        self.close_when_idle()

    cdef int enter(self, int fd, transport) except -1:
        """Enter ``transport`` in the table of those that are closed with the loop. On asyncio's loops add_reader(),
        sock_recv() and the like look into it, and refuse the socket until it is closing. That table is a
        WeakValueDictionary. An assignment to it would cost 2 % of a connection, so the reference is stored in its dict;
        a later transport of the same number replaces it."""
        self.transports[fd] = weak_reference(transport)
        return 0

    cdef int close_when_idle(self) except -1:
        if self.users == 0 and not self.closing_soon and not self.loop.is_closed():
            # A connection may follow at once; one turn without any is the end.
            self.closing_soon = True
            self.loop.call_soon(self._close_if_idle)
        return 0

    cdef int add(self, Pollable pollable, uint32_t interest) except -1:
        """Watch a socket. The loop itself watches the only one that it has: two descriptors and two system calls for one
        event are a tenth of the cost of a message on one connection, and many clients have just one. Only asyncio's own
        loops do that: libuv stops watching a socket at a reset, without a call."""
        if self.sole_socket is not None:
            self.register_sole_socket()
        elif self.watched == 0 and interest == EPOLLIN and self.watches_itself:
            self.watch_in_loop(pollable.fd)
            self.sole_socket = pollable
            self.watched += 1
            return 0
        self.register(pollable, interest)
        self.watched += 1
        return 0

    cdef int register_sole_socket(self) except -1:
        """There is a second socket, or the only one is watched for more events: the loop watches the poller instead."""
        cdef Pollable pollable = self.sole_socket
        self.sole_socket = None
        try:
            self.unwatch_in_loop(pollable.fd)
            self.register(pollable, EPOLLIN)
        except BaseException as error:
            pollable.watch_failed(error)
        return 0

    cdef int register(self, Pollable pollable, uint32_t interest) except -1:
        cdef int fd = pollable.fd
        self.prepare()
        while len(self.table) <= fd:
            self.table.append(None)
        self.generations += 1
        pollable.generation = self.generations
        self.control(EPOLL_CTL_ADD, pollable, interest)
        self.table[fd] = pollable
        return 0

    cdef int modify(self, Pollable pollable, uint32_t interest) except -1:
        if pollable is self.sole_socket:
            self.register_sole_socket()
        return self.control(EPOLL_CTL_MOD, pollable, interest)

    cdef int control(self, int operation, Pollable pollable, uint32_t interest) except -1:
        cdef epoll_event event
        event.events = interest
        event.data.u64 = (<uint64_t>pollable.generation << 32) | <uint32_t>pollable.fd
        if epoll_ctl(self.epfd, operation, pollable.fd, &event) < 0:
            PyErr_SetFromErrno(OSError)
        return 0

    cdef int remove(self, Pollable pollable) except -1:
        cdef epoll_event event
        self.watched -= 1
        if pollable is self.sole_socket:
            self.sole_socket = None
            if not self.loop.is_closed():
                self.unwatch_in_loop(pollable.fd)
            return 0
        # The program may have closed the descriptor, and another connection may have its number now.
        if pollable.fd < len(self.table) and self.table[pollable.fd] is pollable:
            self.table[pollable.fd] = None
            if self.epfd >= 0:
                epoll_ctl(self.epfd, EPOLL_CTL_DEL, pollable.fd, &event)
        return 0

    def _close_if_idle(self):
        self.closing_soon = False
        if self.users == 0 and self.epfd >= 0:
            if self.forked:
                self.separate()
            epfd = self.epfd
            self.epfd = -1
            try:
                self.unwatch_in_loop(epfd)
            finally:
                close_fd(epfd)

    def _forked(self):
        """In the child: its writes are not corked until the poller serves it, since it may end at any moment. Epoll
        sets are shared with the parent until separate()."""
        self.forked, self.stepping, self.corked, self.corked_in = True, False, [], 0

    cdef int separate(self) except -1:
        """In a forked child, at its first use of the poller: replace the epoll sets that it shares with its parent by
        new ones with the same descriptors. What is registered in a shared set, or removed, is so for both processes."""
        cdef int new
        cdef Pollable pollable
        if self.epfd >= 0:
            new = epoll_create1(EPOLL_CLOEXEC)
            if new < 0 or dup3(new, self.epfd, O_CLOEXEC) < 0:
                PyErr_SetFromErrno(OSError)
            close_fd(new)
        if self.watches_itself and not self.loop.is_closed():
            replace_epoll_set(self.loop._selector)
        elif self.epfd >= 0 and not self.loop.is_closed():
            # The loop's own set cannot be reached. It has the poller of the parent; add this one to it.
            self.loop.remove_reader(self.epfd)
            self.loop.add_reader(self.epfd, self._on_poller_ready, LoopWatch(self))
        self.forked = False
        for entry in self.table:
            if entry is not None:
                pollable = entry
                try:
                    self.control(EPOLL_CTL_ADD, pollable, pollable.interest)
                except OSError as error:
                    pollable.watch_failed(error)
        return 0

    def _flush_before_fork(self):
        """Send what a task of this thread has written before it forks (contract W9), and once."""
        # No other field is read where another thread uses the poller.
        if self.corked_in == PyThread_get_thread_ident():
            self.flush()

    def _watch_ended(self):
        """The loop watches the poller no more: close what was left open if that is because the loop is closed."""
        if not self.loop.is_closed():
            return
        if self.epfd >= 0:
            close_fd(self.epfd)
            self.epfd = -1
        self.sole_socket = None
        self.table = []
        self.corked = []
        close_sockets(self.transports)

    def _on_poller_ready(self, watch):
        self._on_ready()

    def _on_ready(self):
        if self.forked:
            self.separate()
        # The context of the loop's handle is left meanwhile: a loop that runs inside a task of the batch enters it again.
        cdef PyObject* current = PyThreadState_Get().context
        if current == NULL:
            self.serve()
            return
        context = <object>current
        PyContext_Exit(context)
        try:
            self.serve()
        finally:
            PyContext_Enter(context)

    cdef bint may_step(self) except -1:
        """Whether the poller steps tasks itself. In debug mode the loop does: it times each of its handles, and the record
        of a slow one names the task."""
        # On asyncio's loops the attribute costs a third of the call.
        cdef bint debugging = self.loop._debug if self.watches_itself else self.loop.get_debug()
        return not debugging and current_task_of(self.loop) is None

    cdef int serve(self) except -1:
        # A reference of this call's own: a callback may run the loop until the connection is gone.
        cdef Pollable sole_socket = self.sole_socket
        # A loop may run inside a task of a batch (nested run_until_complete): its sockets are served, its tasks not stepped.
        cdef bint outer_step = self.step_at_once, outer_stepping = self.stepping
        self.step_at_once = self.stepping = self.may_step()
        self.depth += 1
        try:
            if sole_socket is not None:
                sole_socket.ready(EPOLLIN)
            else:
                self.serve_rounds()
        finally:
            self.end_step(outer_step, outer_stepping)
        return 0

    cdef int serve_rounds(self) except -1:
        cdef epoll_event event
        cdef int n, round_, fd
        cdef long long now, start = 0
        cdef Pollable pollable
        for round_ in range(ROUNDS):
            # What was left of a round comes first, or a connection that is always ready would keep others waiting.
            if self.next_event == self.event_count:
                self.next_event = self.event_count = 0
                n = epoll_wait(self.epfd, self.events, BATCH, 0)
                if n <= 0:
                    break
                self.event_count = n
            n = self.event_count - self.next_event
            if n > 1 and start == 0:
                start = monotonic_ns()
            # A loop nested in a step goes on with these events, and may ask for others.
            while self.next_event < self.event_count:
                event = self.events[self.next_event]
                self.next_event += 1
                fd = <int>(event.data.u64 & 0xffffffff)
                entry = self.table[fd] if fd < len(self.table) else None
                if entry is None:
                    continue
                pollable = <Pollable>entry
                if pollable.generation != <uint32_t>(event.data.u64 >> 32):
                    continue
                pollable.ready(event.events)
                if self.next_event < self.event_count:
                    now = monotonic_ns()
                    if self.corked and now - self.corked_at >= CORK_NANOSECONDS:
                        self.flush()
                    if now - start > SERVE_NANOSECONDS:
                        return 0
            # The writes of a round leave together: a peer on this machine that the first one wakes finds the others,
            # instead of going to sleep after each.
            self.flush()
            self.take_turn_back()
            if n < 2 or self.epfd < 0:
                # One busy connection, which is not ready again yet.
                break
            if monotonic_ns() - start > SERVE_NANOSECONDS or getattr(self.loop, "_stopping", False):
                break
        return 0

    cdef int step(self, PollerWaiter waiter) except -1:
        """Step the task of a wait that ends with a turn of the loop, as in a batch of its own."""
        cdef bint outer_step = self.step_at_once, outer_stepping = self.stepping
        self.step_at_once = self.stepping = self.may_step()
        self.depth += 1
        try:
            if self.step_at_once:
                waiter.step(self.done)
            else:
                waiter.wake()
        finally:
            self.end_step(outer_step, outer_stepping)
        return 0

    cdef int cork(self, Pollable pollable) except -1:
        """Flush ``pollable`` when the tasks of this round were stepped (contract W9)."""
        if not self.corked:
            self.corked_at = monotonic_ns()
            self.corked_in = PyThread_get_thread_ident()
            if not self.turn_scheduled:
                self.schedule_turn()
        self.corked.append(pollable)
        return 0

    cdef int schedule_turn(self) except -1:
        """Flush what is corked in the next turn of the loop: one that runs inside the step, since the step has not
        ended. On asyncio's loops the handle is taken back at the end of the round, so that the loop does not turn for
        it; call_soon() has no way to do so. libuv's loop cannot be nested."""
        if self.turn is not None:
            self.append_ready(self.turn)
        elif self.loop_nests:
            self.loop.call_soon(self._on_turn)
        else:
            return 0
        self.turn_scheduled = True
        self.turn_depth = self.depth
        return 0

    def _on_turn(self):
        # Nothing delays what a nested loop writes; the step that it runs in has lost its round.
        self.turn_scheduled = self.stepping = False
        self.flush()

    cdef bint corked_long(self) except -1:
        return monotonic_ns() - self.corked_at >= CORK_NANOSECONDS

    cdef int flush(self) except -1:
        """Send what was written while tasks were stepped."""
        cdef list corked
        interrupt = None
        while self.corked:
            corked = self.corked
            self.corked = []
            for pollable in corked:
                try:
                    (<Pollable>pollable).flush_corked()
                except BaseException as error:
                    # Raised by a protocol's resume_writing(); what others have written is sent nevertheless.
                    if interrupt is None:
                        interrupt = error
        self.corked_in = 0
        if interrupt is not None:
            raise interrupt
        return 0

    cdef int take_turn_back(self) except -1:
        """Take the handle of schedule_turn() back. Not inside a nested loop, whose turn may have counted it."""
        if self.turn_scheduled and self.turn_depth == self.depth and self.turn is not None and self.ready:
            # In one step: without the interpreter lock another thread appends at any time.
            if self.ready[-1] is self.turn:
                self.remove_ready(self.turn)
                self.turn_scheduled = False
        return 0

    cdef int end_step(self, bint outer_step, bint outer_stepping) except -1:
        self.step_at_once = outer_step
        self.stepping = outer_stepping
        try:
            self.flush()
        finally:
            self.take_turn_back()
            self.depth -= 1
        return 0


cdef class PollerWaiter(Waiter):
    """The waiter of a connection on the poller, which steps its task after a yield to the loop too."""

    def __init__(self, loop, Poller poller):
        self.poller = poller

    cdef int wake_now(self) except -1:
        return self.step(self.poller.done) if self.poller.step_at_once else self.wake()

    cpdef object complete_soon(self):
        # One callback of the loop for each waiter: an interrupt in one, or a loop nested in it, delays no other.
        self._loop.call_soon(self._complete, self._wait)

    def _complete(self, unsigned long wait):
        if wait == self._wait:
            self.poller.step(self)


cdef str ATTRIBUTE = "_sluiceway_poller"


def poller_of(loop):
    """The poller of ``loop``, created by the first call; the loop owns it."""
    cdef Poller poller
    found = getattr(loop, ATTRIBUTE, None)
    if found is not None:
        return found
    poller = Poller(loop)
    setattr(loop, ATTRIBUTE, poller)
    return poller
