cimport cython

from .buffer cimport ChunkBuffer
from .incoming cimport IncomingCore

cdef class ReaderCore(IncomingCore):
    @cython.locals(end=Py_ssize_t)
    cpdef object _ps_take_record(self, tuple separators, object operation, bint waited)
    @cython.locals(
        unread=ChunkBuffer, size=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, record=Py_ssize_t, found=Py_ssize_t,
        length=Py_ssize_t, separator=bytes,
    )
    cpdef Py_ssize_t _ps_record_end(self, tuple separators) except -2
    cpdef object _ps_take_line(self, bint waited)
