from . cimport read_by_size, read_until
from .receiver cimport Receiver

cdef Py_ssize_t _FREE_OPERATIONS

cdef object begin_wait(StreamReader reader, Receiver receiver, object operation)

cdef class StreamReader:
    cdef readonly Receiver _sluiceway
