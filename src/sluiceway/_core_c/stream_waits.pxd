cimport cython

from . cimport read_operations
from .coarse_timer cimport TimeLimit
from .read_operations cimport StreamReader
from .receiver cimport Receiver

cdef class StreamWaits:
    cdef readonly StreamReader _reader
    cdef Receiver _receiver
    cdef TimeLimit _limit

    cdef Receiver _receiver_for(self, object operation)
    cdef object _cannot_read(self, object operation)
    cdef object _begin_limit(self, seconds, operation)
    cdef object _end_limit(self, seconds)
    cpdef TimeLimit _read_limit(self)
    @cython.locals(buffered=Py_ssize_t)
    cdef bint _can_peek(self, Receiver receiver, Py_ssize_t size) except -1
    @cython.locals(buffered=Py_ssize_t)
    cdef bint _enough(self, Receiver receiver, Py_ssize_t least) except -1
