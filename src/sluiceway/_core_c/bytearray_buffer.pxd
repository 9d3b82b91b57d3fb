from .chunk_buffer cimport ChunkBuffer

cdef class BytearrayBuffer(ChunkBuffer):
    cdef public bytearray data
    cdef ChunkBuffer _pending
    cdef Py_ssize_t _taken
    cdef Py_ssize_t _length
    cdef object _pin

    cpdef object forget_search(self)
    cpdef object settle(self)
    cdef bint _resizable(self) except -1
    cdef object _remove(self, Py_ssize_t n)
