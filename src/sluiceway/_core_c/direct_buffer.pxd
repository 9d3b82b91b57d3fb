from .chunk_buffer cimport ChunkBuffer
from .receive_memory cimport Memory

cdef class ResultMemory(Memory):
    cdef bytes owner

cdef class DirectBuffer(ChunkBuffer):
    cdef ChunkBuffer plain
    cdef bytes result
    cdef ResultMemory window
    cdef Py_ssize_t filled
    cdef Py_ssize_t target_size

    cdef int drop_window(self) except -1
    cdef int resize(self, Py_ssize_t size) except -1

cpdef ChunkBuffer direct_buffer(ChunkBuffer plain, Py_ssize_t target_size, Py_ssize_t ahead)
