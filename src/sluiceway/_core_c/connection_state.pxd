cdef class ConnectionState:
    cdef public bint closing
    cdef public bint lost
    cdef public bint closed_first
    cdef public object error
    cdef public bint discarding
