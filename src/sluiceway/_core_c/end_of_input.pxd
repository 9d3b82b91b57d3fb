cimport cython

@cython.final
@cython.freelist(64)
cdef class EndOfInput:
    cdef public bint reached
    cdef public object exception
    cdef public bint after_data
    cdef public object truncation
    cdef public bint closed_here
    cdef public bint idle

    cdef bint due(self, Py_ssize_t buffered, bint enough) except -1
