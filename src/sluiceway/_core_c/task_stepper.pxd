from .raw_transport cimport Corkable
from .receive_interface cimport ReceiveInterface
from .waiter cimport LoopReference, Waiter

cdef enum:
    CORK_NANOSECONDS = 1000000   # the longest time that data stays corked while a round continues
    STEP_NANOSECONDS = 2000000   # the longest time of steps on a loop's own transports before the loop runs its callbacks

cdef class Stepper:
    cdef object loop
    cdef LoopReference get_loop
    # True on asyncio's own loops and their subclasses, whose private queue and debug flag are used.
    cdef bint of_asyncio
    # True while tasks are stepped. Their writes are corked until the round ends.
    cdef bint stepping
    cdef bint step_at_once
    cdef list corked
    # A deque of the receivers whose waiting reads the next round wakes.
    cdef object woken
    # The handle that flushes the corked writes and runs a round in an iteration of the loop, the loop's queue of
    # handles when it was queued, and whether it is in the queue.
    cdef object turn
    cdef object ready
    cdef bint turn_scheduled
    # The number of nested rounds, now and when the handle was queued.
    cdef int depth
    cdef int turn_depth
    cdef bint loop_nests
    # The time of the oldest corked write, and its thread; 0 if nothing is corked.
    cdef long long corked_at
    cdef unsigned long corked_in
    # A completed future, for tasks that are stepped immediately.
    cdef object done
    # The time that steps have taken since the loop last ran a handle of this object, and whether one is scheduled.
    cdef long long stepped_time
    cdef bint resting
    cdef object __weakref__

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
