cimport cython

cdef Py_ssize_t _FREE_OPERATIONS

@cython.final
@cython.freelist(64)
cdef class Budget:
    cdef public Py_ssize_t used

    cdef bint spend_read(self) except -1
    cdef bint renew_for_drain(self) except -1
