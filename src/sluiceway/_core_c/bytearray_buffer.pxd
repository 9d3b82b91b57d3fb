cimport cython

from . cimport search
from .chunk_buffer cimport ChunkBuffer

cdef Py_ssize_t _COPY_MAXIMUM, _OWN_REFERENCES
cdef object _count_references

cdef class BytearrayBuffer(ChunkBuffer):
    cdef public object data
    cdef Py_ssize_t _length
    cdef ChunkBuffer _plain

    cpdef object forget_search(self)
    cpdef Py_ssize_t references(self) except -1
    @cython.locals(plain=ChunkBuffer)
    cpdef ChunkBuffer unshared(self)
    cdef object _remove(self, Py_ssize_t n)
