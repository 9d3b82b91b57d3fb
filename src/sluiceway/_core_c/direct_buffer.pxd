from .chunk_buffer cimport ChunkBuffer

cdef class LandingBuffer(ChunkBuffer):
    cdef ChunkBuffer plain
    cdef bytes block
    cdef Py_ssize_t filled
    cdef Py_ssize_t wanted

    cdef bint lacks(self) noexcept
    cdef char* room(self, Py_ssize_t* size) except NULL
    cdef int resize(self, Py_ssize_t size) except -1
