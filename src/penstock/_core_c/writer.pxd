from .state cimport ConnectionState

cdef class WriterCore:
    cdef object _ps_carrier
    cdef public object _ps_sink
    cdef public object _protocol
    cdef public object _reader
    cdef public object _loop
    cdef public ConnectionState _ps_state

    cpdef bint _ps_gone(self) except -1
