from .chunk_buffer cimport ChunkBuffer

cdef class BytearrayBuffer(ChunkBuffer):
    cdef public bytearray data
