from .chunk_buffer cimport ChunkBuffer
from .receive_memory cimport Memory

cdef class CallerMemory(Memory):
    cdef Memory owner

cdef class CallerBuffer(ChunkBuffer):
    cdef ChunkBuffer plain
    cdef Memory target
    cdef CallerMemory window
    cdef CallerMemory viewed
    cdef Py_ssize_t filled
    cdef Py_ssize_t capacity

    cdef int drop_window(self) except -1
    cdef int release_target(self, Memory other) except -1

cpdef ChunkBuffer caller_buffer(ChunkBuffer plain, target)
cpdef Py_ssize_t filled(ChunkBuffer buffer) except -1
cpdef bint lent(ChunkBuffer buffer) except -1
cpdef object hand_over(ChunkBuffer buffer)
