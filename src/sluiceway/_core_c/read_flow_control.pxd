cimport cython

from .chunk_buffer cimport ChunkBuffer


@cython.final
@cython.freelist(64)
cdef class ReadFlowControl:
    cdef public Py_ssize_t limit
    cdef public object transport
    cdef public bint paused
    cdef readonly Py_ssize_t pauses

    @cython.locals(held=Py_ssize_t)
    cdef object pause_if_high(self, ChunkBuffer buffer, Py_ssize_t target_size)
    cdef object resume_if_low(self, Py_ssize_t size)
    cdef object resume(self)
