# cython: language_level=3, binding=False
"""Poller: one epoll descriptor for all sockets of the engine on one event loop. The loop watches this descriptor; see
Poller.add() for the case of a single socket.

When the descriptor is ready, the poller collects all ready sockets and processes them without a handle, selector key or
callback per socket: a round. Under load it polls again, for a bounded number of rounds and a bounded time, before it
returns to the loop. Writes of tasks that run in a round are corked: delayed, and sent together at the end of the round
(contract W9, docs/explanation/contracts.md).

A task that runs in a round may close other connections of the round. Each event contains the generation of its
registration. The poller ignores an event whose registration does not exist any more.
"""

import sys
import weakref
from asyncio.selector_events import BaseSelectorEventLoop
from collections import deque
from contextlib import suppress
from os import strerror

from cpython.exc cimport PyErr_SetFromErrno
from cpython.mem cimport PyMem_Malloc, PyMem_Free
from libc.errno cimport EBADF
from libc.stdint cimport uint32_t, uint64_t

from sluiceway._core_c.handle_context cimport (
    PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit, enter_handle_context, leave_handle_context,
)
from sluiceway._core_c.monotonic cimport monotonic_ns
from sluiceway._core_c.receive_memory cimport Scratch
from sluiceway._core_c.task_stepper cimport CORK_NANOSECONDS, Stepper
from sluiceway._transports.epoll.system cimport (
    EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLIN, close_epoll_set, close_fd, create_epoll_set, epoll_ctl,
    epoll_event, epoll_wait,
)

from sluiceway._constants import POLLER_ATTRIBUTE, SCRATCH_SIZE
from sluiceway._transports.epoll.fork import replace_epoll_set
from sluiceway._transports.epoll.loop_watch import LoopWatch, close_sockets
from sluiceway._transports.fork_hooks import leave_closed_loops, register_stepper
from sluiceway._transports.loop_adapter import keeps_methods_of_asyncio

cdef enum:
    ROUNDS = 16          # the most rounds before the poller returns to the loop

cdef uint32_t CHANGING = 0xFFFFFFFF  # a value of Pollable.registered: follow() changes the registration

cdef long long SERVE_NANOSECONDS = 2000000  # the poller returns to the loop after this time, even within a round
cdef object weak_reference = weakref.ref
# A callback that does nothing; see Poller.enter().
cdef object reference_callback = callable if sys.version_info >= (3, 15) else None


cdef class Pollable:
    def __cinit__(self, *args):
        self.fd = -1

    cdef int ready(self, uint32_t events) except -1:
        raise NotImplementedError

    cdef bint closed_by_program(self) except -1:
        """Return True if the program has closed the descriptor. Another socket may have its number."""
        raise NotImplementedError

    cdef int watch_failed(self, error) except -1:
        """Called when the kernel or the loop could not watch the descriptor because of ``error``."""
        raise NotImplementedError

    cdef int lost(self, error) except -1:
        """Call connection_lost() of the protocol, and close the descriptor."""
        raise NotImplementedError

    cdef int watch(self, uint32_t interest) except -1:
        """Watch for the events ``interest``. 0 ends the registration, so that not even a hang-up is reported."""
        cdef uint32_t before = self.interest
        self.poller.separate()  # in a forked child, this may end the connection, and so its interest
        if interest == before or self.interest != before:
            return 0
        self.interest = interest
        # Else a finalizer or a signal handler runs within follow(), which then continues with its interest.
        return 0 if self.registered == CHANGING else self.follow()

    cdef int follow(self) except -1:
        """Change the registration until it is that for ``interest``."""
        cdef uint32_t registered = self.registered, interest
        self.registered = CHANGING
        try:
            while registered != self.interest:
                interest = self.interest
                if registered == 0:
                    self.poller.add(self, interest)
                elif interest == 0:
                    registered = 0  # even if remove() raises
                    self.poller.remove(self)
                else:
                    self.poller.modify(self, interest)
                registered = interest
        except BaseException:
            if self.interest == 0 and registered:
                # watch_failed() was called within the call above.
                registered = 0
                self.poller.remove(self)
            raise
        finally:
            self.registered = registered
        return 0


cdef class Poller:
    """The poller of one event loop. poller_of() creates it."""

    def __cinit__(self, loop):
        self.epfd = -1
        self.table = []
        self.lost = deque()
        self.of_asyncio = isinstance(loop, BaseSelectorEventLoop)
        self.watches_itself = keeps_methods_of_asyncio(
            loop, ("add_reader", "remove_reader", "_add_reader", "_remove_reader")
        )
        self.transports = loop._transports.data if self.of_asyncio else {}
        self.on_ready = self._on_ready
        self.lost_turn = self.queue_handle(self._on_lost)
        self.scratch = Scratch(SCRATCH_SIZE)
        self.gathered = <char*>PyMem_Malloc(GATHER_MAXIMUM)
        if self.gathered == NULL:
            raise MemoryError
        register_stepper(self)

    def __dealloc__(self):
        PyMem_Free(self.gathered)
        if self.epfd >= 0:
            close_epoll_set(self.epfd, self.forked)

    def prepare(self, int number=0):
        """Open the epoll descriptor if it is closed, and let the loop watch it. ``number``: the descriptor number that
        it gets if that is free; 0 for any.

        The descriptor is closed in the next iteration of the loop if acquire() is not called. Raise OSError if no
        descriptor is left, and NotImplementedError if the loop has no add_reader()."""
        self.separate()
        if self.epfd >= 0:
            return
        self.epfd = create_epoll_set(number)
        if self.epfd < 0:
            PyErr_SetFromErrno(OSError)
        try:
            self.loop.add_reader(self.epfd, self.on_ready, LoopWatch(self, self.loop, self.on_ready))
        except BaseException:
            # A signal handler may have raised in add_reader(). A later set with the same number would not be watched.
            try:
                self.unwatch_in_loop(self.epfd)
            finally:
                close_fd(self.epfd)
                self.epfd = -1
            raise
        self.close_when_idle()

    cdef int watch_in_loop(self, int fd) except -1:
        """Make the loop call _on_ready() when ``fd`` is readable. asyncio's add_reader() raises for a socket that has a
        transport; its private _add_reader(), which asyncio's own transports use, does not."""
        if self.watches_itself:
            self.loop._add_reader(fd, self.on_ready)
        else:
            self.loop.add_reader(fd, self.on_ready)
        return 0

    cdef int unwatch_in_loop(self, int fd) except -1:
        try:
            self.remove_reader(fd)
        except BaseException:
            # A signal handler may have raised first. A later socket with the same number would not be watched.
            self.remove_reader(fd)
            raise
        return 0

    cdef int remove_reader(self, int fd) except -1:
        if self.watches_itself:
            self.loop._remove_reader(fd)
        else:
            self.loop.remove_reader(fd)
        return 0

    def acquire(self):
        """Keep the epoll descriptor open until release(). Called for each socket, watched or not, and each listener,
        because the descriptor cannot be opened again if descriptors run out later."""
        self.prepare()
        self.users += 1

    def release(self):
        """Undo one acquire(). After the last one, the descriptor is closed in the next iteration of the loop."""
        self.users -= 1
        self.close_when_idle()

    cdef int enter(self, int fd, transport) except -1:
        """Add ``transport`` to the table of transports that are closed with the loop. With an asyncio loop's own table,
        add_reader(), sock_recv() etc. raise for the socket. That table is a WeakValueDictionary. The weak reference is
        stored directly in its dict, because an assignment to the table takes 2 % of the time of a connection. A later
        transport of the same descriptor replaces the entry.

        Because of the callback, the garbage collector of Python 3.15 clears the reference before it runs finalizers,
        which may close the socket and keep the transport. The loop must not find the transport then: it would refuse a
        new socket with the same number."""
        self.transports[fd] = weak_reference(transport, reference_callback)
        return 0

    cdef int close_when_idle(self) except -1:
        if self.users == 0 and not self.closing_soon and not self.loop.is_closed():
            # Waits one iteration, because another connection may follow immediately.
            self.closing_soon = True
            self.loop.call_soon(self._close_if_idle)
        return 0

    cdef int add(self, Pollable pollable, uint32_t interest) except -1:
        """Watch a socket. If it is the only one, and only EPOLLIN is watched, an asyncio loop watches it instead of the
        poller: two descriptors need two system calls for each event, a tenth of the cost of a message, and many clients
        have just one connection. Other loops do not: libuv stops watching a socket after a reset without a callback."""
        if self.sole_socket is not None:
            self.register_sole_socket()
        elif self.watched == 0 and interest == EPOLLIN and self.watches_itself:
            self.sole_socket = pollable
            self.watched += 1
            try:
                self.watch_in_loop(pollable.fd)
                if self.sole_socket is not pollable:
                    # Code within the call, such as a finalizer, has added another socket.
                    self.unwatch_in_loop(pollable.fd)
            except BaseException:
                self.remove(pollable)
                raise
            return 0
        self.register(pollable, interest)
        self.watched += 1
        return 0

    cdef int register_sole_socket(self) except -1:
        """Let the poller watch the first socket instead of the loop, because of a second socket or further events."""
        cdef Pollable pollable = self.sole_socket
        cdef uint32_t registered = pollable.registered
        self.sole_socket = None
        pollable.registered = CHANGING
        try:
            self.unwatch_in_loop(pollable.fd)
            if pollable.closed_by_program():
                raise OSError(EBADF, strerror(EBADF))
            self.register(pollable, EPOLLIN)
            pollable.registered = registered
            if registered != CHANGING:
                pollable.follow()
        except BaseException as error:
            if registered != CHANGING and pollable.registered == CHANGING:
                # Nothing watches the socket.
                pollable.registered = 0
                self.remove(pollable)
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
        # If the program has closed the descriptor, another connection may use its number now.
        if pollable.fd < len(self.table) and self.table[pollable.fd] is pollable:
            self.table[pollable.fd] = None
            if self.epfd >= 0:
                epoll_ctl(self.epfd, EPOLL_CTL_DEL, pollable.fd, &event)
        return 0

    cdef int lose(self, Pollable pollable, error) except -1:
        """Call lost(error) of ``pollable`` in the next iteration of the loop, in the current context.

        The first handle that runs serves all connections that have ended. Each connection adds a handle nevertheless:
        an interrupt or MemoryError may end a handle before that, and a nested loop must serve the rest."""
        self.lost.append((pollable, error, PyContext_CopyCurrent()))
        if self.lost_turn is None or self.loop._debug or self.loop._closed:
            self.loop.call_soon(self._on_lost)
        else:
            # As call_soon(), but without Python code, in which a signal handler could raise.
            handles = self.loop._ready
            handles.append(self.lost_turn)
        return 0

    def _on_lost(self):
        cdef Py_ssize_t count = len(self.lost)
        outer = leave_handle_context()
        try:
            while count and self.lost:
                count -= 1
                pollable, error, context = self.lost.popleft()
                PyContext_Enter(context)
                try:
                    (<Pollable>pollable).lost(error)
                finally:
                    PyContext_Exit(context)
        finally:
            enter_handle_context(outer)

    def _close_if_idle(self):
        self.closing_soon = False
        self.separate()
        if self.users == 0 and self.epfd >= 0:
            epfd = self.epfd
            self.epfd = -1
            try:
                self.unwatch_in_loop(epfd)
            finally:
                close_fd(epfd)

    def _forked(self):
        """Drop the corked writes in a forked child, which shares the epoll sets with its parent until separate(). Later
        writes are not corked until the poller processes events, because the child may exit at any time."""
        self.forked = True
        Stepper._forked(self)
        for entry in [self.sole_socket, *self.table]:
            if entry is not None:
                entry.drop_corked()
        if self.of_asyncio and self.epfd >= 0:
            # If the child continues the loop, but has closed the epoll descriptor, as a daemon does: a new file of the
            # child may have the number. In debug mode, call_soon() raises if another thread runs the loop.
            with suppress(Exception):
                self.loop.call_soon(self.leave_parent)

    def leave_parent(self):
        """Call separate(), before a caller in Python changes what the loop watches."""
        self.separate()

    cdef int separate(self) except -1:
        """In a forked child, replace the epoll sets that it shares with its parent: the poller's, and that of an
        asyncio loop. Each use of the poller calls this method; only the first in the child has an effect. In a shared
        set, each registration would affect both processes. A socket that a new set cannot watch is closed."""
        cdef int number = self.epfd
        if not self.forked or self.loop.is_closed():
            return 0
        if number >= 0:
            # Closed first, so that its number is free for a new set, and so that unwatch_in_loop() changes only the
            # loop's table: the shared set must still contain the parent's descriptor.
            self.epfd = -1
            close_epoll_set(number, True)
            self.unwatch_in_loop(number)
        if self.of_asyncio:
            replace_epoll_set(self.loop)
        self.forked = False
        if number >= 0:
            try:
                self.prepare(number)
            except OSError:
                pass  # raised again below, for each connection
        for entry in self.table:
            if entry is not None:
                try:
                    self.prepare(number)
                    self.control(EPOLL_CTL_ADD, entry, (<Pollable>entry).interest)
                except OSError as error:
                    (<Pollable>entry).watch_failed(error)
        return 0

    def _leave_closed_loop(self):
        if self.loop.is_closed():
            self.on_ready = self.lost_turn = None
            self._leave_loop(ATTRIBUTE)

    def _watch_ended(self):
        """Called when the loop stops watching the poller. If the loop was closed, close all open sockets."""
        if not self.loop.is_closed():
            return
        if self.epfd >= 0:
            close_epoll_set(self.epfd, self.forked)
            self.epfd = -1
        # Those of connections that the garbage collector has found: the weak references to their transports are dead.
        sockets = [self.sole_socket, *self.table, *(entry[0] for entry in self.lost)]
        self.sole_socket = None
        self.table = []
        self.corked = []
        self.lost.clear()
        close_sockets(self.transports, filter(None, sockets))

    def _on_ready(self, watch=None):
        # A loop nested in a task of the round may enter the context of this handle again.
        context = leave_handle_context()
        try:
            self._serve()
        finally:
            enter_handle_context(context)

    def _serve(self):
        self.separate()
        self.serve()

    def call_outside_handle(self, callback, *arguments):
        """Call ``callback`` outside the context of the loop's handle, which a nested loop may run again."""
        context = leave_handle_context()
        try:
            callback(*arguments)
        finally:
            enter_handle_context(context)

    cdef int serve(self) except -1:
        # A strong reference for this call, because a nested loop may end and free the connection.
        cdef Pollable sole_socket = self.sole_socket
        # A loop nested in a task of the round (run_until_complete) calls this method again. That call steps no task.
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
            # Remaining events of the previous round come first: an always ready connection must not starve others.
            if self.next_event == self.event_count:
                self.next_event = self.event_count = 0
                n = epoll_wait(self.epfd, self.events, BATCH, 0)
                if n <= 0:
                    break
                self.event_count = n
            n = self.event_count - self.next_event
            if n > 1 and start == 0:
                start = monotonic_ns()
            # A loop nested in a step may continue with these events, and may poll for others.
            while self.next_event < self.event_count:
                event = self.events[self.next_event]
                self.next_event += 1
                fd = <int><uint32_t>event.data.u64
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
            # The writes of a round are sent together: a peer process on this machine, which the first of them wakes,
            # finds the others without blocking again after each.
            self.flush()
            self.take_turn_back()
            if n < 2 or self.epfd < 0:
                # A single busy connection is rarely ready again immediately.
                break
            if monotonic_ns() - start > SERVE_NANOSECONDS or getattr(self.loop, "_stopping", False):
                break
        return 0

cdef str ATTRIBUTE = POLLER_ATTRIBUTE


def poller_of(loop):
    """Return the poller of ``loop``. The first call creates the poller, and stores it as an attribute of ``loop``."""
    cdef Poller poller
    found = getattr(loop, ATTRIBUTE, None)
    if found is not None:
        return found
    poller = Poller(loop)
    setattr(loop, ATTRIBUTE, poller)
    leave_closed_loops()
    return poller
