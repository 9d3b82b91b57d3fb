from .bytearray_buffer cimport BytearrayBuffer
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .receiver cimport Receiver

cdef class SharedBuffer(BytearrayBuffer):
    pass

cdef class DiscardingFeed:
    cdef object reader
    cdef public Discard discard

cdef class BorrowedReader:
    cdef readonly object reader
    cdef readonly Receiver receiver

    cdef object load(self, object operation, bint waited)
    cdef object store(self)
