cimport cython

from .chunk_buffer cimport ChunkBuffer
from .receiver cimport IncomingCore

cdef class ReaderCore(IncomingCore):
    @cython.locals(unread=ChunkBuffer)
    cdef bytes _ps_take_some(self, Py_ssize_t n, bint waited)
    @cython.locals(held=Py_ssize_t)
    cdef bytes _ps_take_exactly(self, Py_ssize_t n, bint waited)
    @cython.locals(end=Py_ssize_t)
    cdef object _ps_take_record(self, tuple separators, object operation, bint waited)
    @cython.locals(
        unread=ChunkBuffer, size=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, record=Py_ssize_t, found=Py_ssize_t,
        length=Py_ssize_t, separator=bytes,
    )
    cdef Py_ssize_t _ps_record_end(self, tuple separators) except -2
    cdef object _ps_take_line(self, bint waited)
