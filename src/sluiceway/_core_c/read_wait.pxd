cimport cython

from .connection_state cimport ConnectionState
from .receive_interface cimport ReceiveInterface
from .waiter cimport Waiter

cdef class ReadWait(ReceiveInterface):
    cdef public ConnectionState connection
    cdef public object operation
    cdef public object task
    cdef public object future
    cdef public Waiter source
    cdef public Py_ssize_t target_size
    cdef public Py_ssize_t max_size

    @cython.locals(source=Waiter, connection=ConnectionState)
    cdef object enter_wait(self, object operation, object loop)
    @cython.locals(source=Waiter, connection=ConnectionState)
    cdef object end_wait(self)
    cpdef object complete_wait(self)
    cpdef bint fail_wait(self, error) except -1
