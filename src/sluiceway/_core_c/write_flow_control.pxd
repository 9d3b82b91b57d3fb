cimport cython

@cython.final
@cython.freelist(64)
cdef class WriteFlowControl:
    cdef public object loop
    cdef public bint paused
    cdef readonly Py_ssize_t pauses
    cdef public bint lost
    cdef readonly dict waiters
    cdef public object error_mark
