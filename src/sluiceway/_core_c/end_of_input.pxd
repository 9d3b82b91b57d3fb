cimport cython

@cython.final
@cython.freelist(64)
cdef class EndOfInput:
    cdef public object exception
    cdef public object truncation
    # Together, so that they take no padding.
    cdef public bint reached
    cdef public bint after_data
    cdef public bint closed_here
    cdef public bint idle

    cdef bint due(self, Py_ssize_t buffered, bint enough) except -1
