from .buffer cimport ChunkBuffer

cdef class LiveBuffer(ChunkBuffer):
    cdef public bytearray data
