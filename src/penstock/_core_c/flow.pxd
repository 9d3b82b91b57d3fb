cdef class FlowCore:
    cdef public object _loop
    cdef public bint _paused
    cdef public bint _connection_lost
    cdef public object _drain_waiters
    cdef public object _ps_error_mark
