cimport cython

from .waiter cimport Waiter

@cython.final
@cython.freelist(64)
cdef class ReadWait:
    cdef public object operation
    cdef public object task
    cdef public object future
    cdef public Waiter source
    cdef public Py_ssize_t target_size
    cdef public Py_ssize_t max_size

    cdef object begin(self, object operation, object loop)
    @cython.locals(source=Waiter)
    cdef object end(self)
    cpdef object complete(self)
    cpdef bint fail(self, error) except -1
