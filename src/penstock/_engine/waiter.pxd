cdef class Waiter:
    cdef object _loop
    cdef object _callback
    cdef object _context
    cdef object _error
    cdef object _cancel_message
    cdef int _state
    cdef public bint _asyncio_future_blocking

    cpdef Waiter begin(self)
    cdef int wake(self, bint at_once) except -1
    cdef int _deliver(self, bint at_once) except -1
