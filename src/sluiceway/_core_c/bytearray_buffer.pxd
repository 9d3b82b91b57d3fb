from .chunk_buffer cimport ChunkBuffer

cdef class LiveBuffer(ChunkBuffer):
    cdef public bytearray data
