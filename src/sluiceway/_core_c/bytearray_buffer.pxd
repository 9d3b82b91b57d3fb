from . cimport search
from .chunk_buffer cimport ChunkBuffer

cdef class BytearrayBuffer(ChunkBuffer):
    cdef public bytearray data
    cdef Py_ssize_t _length

    cpdef object forget_search(self)
    cdef object _remove(self, Py_ssize_t n)
