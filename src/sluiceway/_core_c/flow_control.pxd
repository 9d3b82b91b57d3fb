cdef class FlowCore:
    cdef public object _loop
    cdef public bint _paused
    cdef public bint _connection_lost
    cdef public list _drain_waiters
    cdef object _ps_mark
