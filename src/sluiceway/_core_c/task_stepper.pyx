# cython: language_level=3, binding=False
"""Stepper: runs the tasks that wait for received bytes, and delays what they write. One for each event loop.

A step runs the task of a completed read until the task waits again. A round is what runs without a return to the loop:
the steps for one batch of ready sockets. Writes of the tasks of a round are corked: delayed, and sent together at its
end (contract W9, docs/explanation/contracts.md).

With an asyncio loop's own transports, the loop runs a handle for each socket that is ready. The round begins in the
last of these handles, or in the next iteration of the loop. If each handle ran its task and sent the answer, the code
of every handle would evict that of the previous one from the processor's instruction cache.
"""

import asyncio
import contextvars
from asyncio.base_events import BaseEventLoop
from collections import deque

from cpython.pythread cimport PyThread_get_thread_ident

from .handle_context cimport enter_handle_context, leave_handle_context
from .monotonic cimport monotonic_ns
from .receive_interface cimport ReceiveInterface
from .waiter cimport LoopReference, Waiter

from sluiceway._constants import STEPPER_ATTRIBUTE

cdef object current_task_of = asyncio.current_task


cdef class Stepper:
    """The stepper of one event loop."""

    def __cinit__(self, loop):
        self.loop = loop
        self.get_loop = LoopReference(loop)
        self.corked = []
        self.flushing = None
        self.woken = deque()
        self.of_asyncio = isinstance(loop, BaseEventLoop)
        self.loop_nests = not type(loop).__module__.startswith("uvloop")
        self.turn = self.queue_handle(self._on_turn)
        self.done = asyncio.Future(loop=loop)
        self.done.set_result(None)

    cdef object queue_handle(self, function):
        """Return a handle of ``function`` for asyncio's queue of the loop, or None if the loop has another queue.

        Subclasses of asyncio's loops may have one: those of trio-asyncio and qasync override call_soon(), that of
        loopmini _call_soon(), and ``_ready`` is always empty or no queue at all. That of asynkit has priorities. Others
        wake an outer loop in _call_soon(), such as that of klovve."""
        if not self.of_asyncio:
            return None
        for name in ("call_soon", "_call_soon"):
            if getattr(getattr(self.loop, name), "__func__", None) is not getattr(BaseEventLoop, name):
                return None
        if not isinstance(self.loop._ready, deque):
            return None
        return asyncio.Handle(function, (), self.loop, contextvars.Context())

    def new_waiter(self):
        """Return a new StepWaiter for the reads of one reader; see ReceiveInterface.attach."""
        return StepWaiter(self.get_loop, self)

    def _forked(self):
        """Drop the corked writes in a forked child: they belong to the parent, which shares the descriptors.

        The thread that forks may be another one than that of the loop, which may be sending them."""
        self.forks += 1
        for corkable in [*self.corked, *(self.flushing or ())]:
            corkable.drop_corked()
        self.stepping, self.corked, self.flushing, self.corked_in = False, [], None, 0

    def _flush_own_thread(self):
        """Send the corked writes if this thread has made them: before a fork, so that only the parent sends them."""
        # Reads only this field, because another thread may be using the stepper.
        if self.corked_in == PyThread_get_thread_ident():
            self.flush()

    def _leave_closed_loop(self):
        """If the loop was closed, break the reference cycles with it, which only the garbage collector would free.

        Any thread may call this method. Readers and transports that the program keeps still refer to this object."""
        if self.loop.is_closed():
            self._leave_loop(STEPPER_ATTRIBUTE)

    def _leave_loop(self, attribute):
        self.turn, self.loop_nests = None, False
        try:
            delattr(self.loop, attribute)
        except AttributeError:
            # A second call, perhaps in another thread.
            pass

    cdef bint may_step(self) except -1:
        """Return True if tasks may be run here. In debug mode the loop runs them, because it measures each handle and
        names the task of a slow one."""
        # On asyncio's loops, the attribute takes a third of the time of get_debug().
        cdef bint debugging = self.loop._debug if self.of_asyncio else self.loop.get_debug()
        return not debugging and current_task_of(self.loop) is None

    cdef int wake(self, ReceiveInterface receiver) except -1:
        """Wake the waiting read of ``receiver``. Called in the handle of the loop that has received the bytes.

        The task of the read runs within the call if no other handle waits in the loop's queue. Otherwise it runs in one
        round with the tasks of the handles that follow: in the last of these handles, or in the next iteration."""
        self.woken.append(receiver)
        if self.turn is not None and len(self.loop._ready) > self.turn_scheduled:
            if not self.turn_scheduled:
                self.schedule_turn()
                # No round removes this handle: asyncio's loop counts the handles before it runs them.
                self.turn_depth = 0
        else:
            self.run_round()
        return 0

    cdef int run_round(self) except -1:
        """Run the tasks of all woken reads, outside the context of the handle, which a loop nested in a task may run
        again. The loop runs the tasks instead if steps have taken 2 ms since the loop last ran its other callbacks."""
        cdef bint outer_step = self.step_at_once, outer_stepping = self.stepping
        cdef long long now, start = monotonic_ns()
        self.step_at_once = self.stepping = not self.resting and self.may_step()
        self.depth += 1
        context = leave_handle_context()
        try:
            try:
                while self.woken:
                    receiver = self.woken.popleft()
                    if self.woken and not self.turn_scheduled:
                        # If the task runs a nested loop, this handle runs the remaining tasks in it.
                        self.schedule_turn()
                    (<ReceiveInterface>receiver).wake()
                    if not self.step_at_once:
                        continue
                    now = monotonic_ns()
                    self.stepped_time += now - start
                    start = now
                    if self.stepped_time > STEP_NANOSECONDS:
                        self.step_at_once = self.stepping = False
                        if not self.resting:
                            self.resting = True
                            self.loop.call_soon(self._rested)
                    elif self.corked and self.woken and now - self.corked_at >= CORK_NANOSECONDS:
                        self.flush()
            finally:
                self.end_step(outer_step, outer_stepping)
        finally:
            enter_handle_context(context)
        return 0

    def _rested(self):
        self.resting = False
        self.stepped_time = 0

    cdef int step(self, StepWaiter waiter) except -1:
        """Complete the wait of ``waiter`` in a callback of the loop. If tasks may be run here, run its task."""
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

    cdef int cork(self, Corkable corkable) except -1:
        """Send the data of ``corkable`` after the tasks of this round have run."""
        if not self.corked:
            self.corked_at = monotonic_ns()
            self.corked_in = PyThread_get_thread_ident()
            if not self.turn_scheduled:
                self.schedule_turn()
        self.corked.append(corkable)
        return 0

    cdef int schedule_turn(self) except -1:
        """Queue a handle that sends the corked writes and runs the woken tasks, in case a task runs a nested loop. On
        asyncio's loops, the handle is removed at the end of the round, so that it causes no extra iteration;
        call_soon() does not support that. libuv's loop cannot be nested."""
        if self.turn is not None:
            # The private queue that call_soon() appends to. A program may replace it.
            self.ready = self.loop._ready
            self.ready.append(self.turn)
        elif self.loop_nests:
            self.loop.call_soon(self._on_turn)
        else:
            return 0
        self.turn_scheduled = True
        self.turn_depth = self.depth
        return 0

    def _on_turn(self):
        # In a nested loop, writes are not corked any more: the round of the interrupted step may not end soon.
        self.turn_scheduled = self.stepping = False
        self.stepped_time = 0
        context = leave_handle_context()
        try:
            self.flush()
        finally:
            enter_handle_context(context)
        if self.woken:
            self.run_round()

    cdef bint corked_long(self) except -1:
        return monotonic_ns() - self.corked_at >= CORK_NANOSECONDS

    cdef int flush(self) except -1:
        """Send the corked writes of all connections."""
        cdef list corked, outer = self.flushing
        interrupt = None
        while self.corked:
            corked = self.corked
            # A nested loop in resume_writing() may flush within an outer flush.
            self.flushing = corked if outer is None else outer + corked
            self.corked = []
            for corkable in corked:
                try:
                    (<Corkable>corkable).flush_corked()
                except BaseException as error:
                    # Raised by resume_writing() of a protocol. The data of the other sockets is still sent.
                    if interrupt is None:
                        interrupt = error
        self.flushing = outer
        self.corked_in = 0
        if interrupt is not None:
            raise interrupt
        return 0

    cdef int take_turn_back(self) except -1:
        """Remove the handle that this round has queued, if it is the last one of the queue. A handle of an earlier
        round or an outer loop stays: asyncio's loop counts the handles before it runs them, and may have counted it."""
        if not self.turn_scheduled or self.turn_depth != self.depth or self.turn is None or self.woken:
            return 0
        self.turn_depth = 0
        if self.ready and self.ready[-1] is self.turn:
            # A search of the queue would call __eq__() of other handles, during which another thread may append.
            handle = self.ready.pop()
            if handle is self.turn:
                self.turn_scheduled = False
            else:
                # On free-threaded Python, another thread has appended in between.
                self.ready.append(handle)
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


cdef class StepWaiter(Waiter):
    """The Waiter of a reader. The stepper also runs its task after a yield to the loop."""

    def __cinit__(self, get_loop, Stepper stepper not None):
        self.stepper = stepper

    cdef int wake_now(self) except -1:
        return self.step(self.stepper.done) if self.stepper.step_at_once else self.wake()

    cpdef object complete_soon(self):
        # A separate callback for each waiter, so that an interrupt or a nested loop in one delays no other.
        self._get_loop.loop.call_soon(self._complete, self._wait)

    def _complete(self, unsigned long wait):
        if wait == self._wait:
            self.stepper.step(self)


def new_stepper(loop):
    """Return a new Stepper for ``loop``."""
    return Stepper(loop)
