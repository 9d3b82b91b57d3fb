from .raw_transport cimport Corkable
from .receive_interface cimport ReceiveInterface
from .waiter cimport LoopReference, Waiter

cdef enum:
    CORK_NANOSECONDS = 1000000   # the longest time that data stays corked while a round continues
    STEP_NANOSECONDS = 2000000   # the longest time of steps on a loop's own transports until other callbacks run

cdef class Stepper:
    cdef object loop
    cdef LoopReference get_loop
    # True on asyncio's own loops and their subclasses, whose private queue and debug flag are used.
    cdef bint of_asyncio
    # True while tasks are stepped. Only then, writes are corked.
    cdef bint stepping
    # True if a wake-up may step the task within the call.
    cdef bint step_at_once
    cdef list corked
    # The corked writes that flush() is sending, or None.
    cdef list flushing
    # A deque of the receivers whose waiting reads the next round wakes.
    cdef object woken
    # The handle of _on_turn(), which flushes the corked writes and runs a round; None without asyncio's own queue.
    cdef object turn
    # The loop's queue of handles when the handle was queued.
    cdef object ready
    # True while the handle is in the queue.
    cdef bint turn_scheduled
    # The number of nested rounds, now and when the handle was queued. 0: no round removes the handle.
    cdef int depth
    cdef int turn_depth
    cdef bint loop_nests
    # The time of the oldest corked write, and its thread; 0 if nothing is corked.
    cdef long long corked_at
    cdef unsigned long corked_in
    # How many forks there were between the process that has created the object and this one.
    cdef int forks
    # A completed future, for tasks that are stepped immediately.
    cdef object done
    # The time that steps have taken since the loop last ran a handle of this object.
    cdef long long stepped_time
    # True after steps of more than STEP_NANOSECONDS, until the loop has run its callbacks: no round steps a task.
    cdef bint resting
    cdef object __weakref__

    cdef object queue_handle(self, function)
    cdef bint may_step(self) except -1
    cdef int wake(self, ReceiveInterface receiver) except -1
    cdef int run_round(self) except -1
    cdef int step(self, StepWaiter waiter) except -1
    cdef int cork(self, Corkable corkable) except -1
    cdef int schedule_turn(self) except -1
    cdef bint corked_long(self) except -1
    cdef int take_turn_back(self) except -1
    cdef int end_step(self, bint outer_step, bint outer_stepping) except -1
    cdef int flush(self) except -1

cdef class StepWaiter(Waiter):
    cdef Stepper stepper
