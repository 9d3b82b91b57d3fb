cdef class LoopReference:
    cdef object loop

cdef class Waiter:
    cdef LoopReference _get_loop
    cdef object _callback
    cdef object _context
    cdef object _scheduled
    cdef object _error
    cdef object _cancel_message
    # The small fields stand together, so that they take no padding.
    cdef int _state
    cdef public bint _asyncio_future_blocking
    # The number of the current wait.
    cdef unsigned long _wait

    cpdef Waiter begin(self)
    cpdef object complete_soon(self)
    cdef int end(self) except -1
    cdef int wake(self) except -1
    cdef int wake_now(self) except -1
    cdef int step(self, object done) except -1
    cdef int _deliver(self) except -1
