cimport cython

cdef double _PERIOD, _NEVER
cdef Py_ssize_t _SPARE_ENTRIES

@cython.final
cdef class TimeLimit:
    cdef readonly object target_ref
    cdef readonly object operation
    cdef readonly double seconds
    cdef readonly bint armed
    cdef CoarseTimer _timer
    cdef bint _unsettled
    cdef bint _expiring
    cdef int _failures
    cdef double _deadline
    cdef double _queued_at

    @cython.locals(value=double)
    cpdef object start(self, seconds, operation)
    cpdef object stop(self)

@cython.final
cdef class CoarseTimer:
    cdef readonly Py_ssize_t armed
    cdef object _clock_ref
    cdef object _context
    cdef list _unsettled
    cdef list _queue
    cdef Py_ssize_t _count
    cdef object _handle
    cdef bint _sleeping

    cdef object add(self, TimeLimit limit)
    cdef object _run_soon(self)
    cdef object _run_after(self, clock, double delay)
    cpdef object _run_lost(self, handle_ref)
    cdef object _run_after_period(self, clock)
    @cython.locals(now=double)
    cpdef object _run(self)
    @cython.locals(limit=TimeLimit)
    cdef object _settle(self, double now)
    cdef object _enter(self, TimeLimit limit)
    @cython.locals(at=double, entry=tuple, limit=TimeLimit)
    cdef object _expire(self, double now)
    @cython.locals(ended=bint)
    cdef object _call_target(self, TimeLimit limit, double now)
    @cython.locals(delay=double, limit=TimeLimit, queue=list)
    cdef object _schedule(self, clock)
    @cython.locals(limit=TimeLimit)
    cdef object _drop_stopped(self)

cdef object _cancel(handle)
