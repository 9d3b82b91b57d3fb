from .bytearray_buffer cimport BytearrayBuffer
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .receiver cimport Receiver

cdef class SharedBuffer(BytearrayBuffer):
    pass

cdef class DiscardingFeed:
    cdef object reader
    cdef public Discard discard
    cdef object replaced

    cdef object next_feed(self)
    cpdef object remove(self)

cdef class BorrowedReader:
    cdef readonly object reader
    cdef readonly Receiver receiver
    cdef Py_ssize_t _window

    cdef object load(self, object operation, bint waited, Py_ssize_t window)
    cdef object store(self)
