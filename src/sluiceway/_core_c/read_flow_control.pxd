cimport cython

from .chunk_buffer cimport ChunkBuffer
from .read_wait cimport ReadWait

cdef class ReadFlowControl(ReadWait):
    cdef public Py_ssize_t limit
    cdef public object transport
    cdef public bint paused
    cdef readonly Py_ssize_t pauses

    @cython.locals(held=Py_ssize_t)
    cdef object pause_if_high(self, ChunkBuffer buffer)
    cdef object resume_below(self, Py_ssize_t size)
    cdef Py_ssize_t floor(self) except -2
    cdef object resume(self)
