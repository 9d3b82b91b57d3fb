cimport cython

from . cimport read_by_size, read_until, search
from .bytearray_buffer cimport BytearrayBuffer
from .chunk_buffer cimport ChunkBuffer
from .receiver cimport Receiver

cdef Py_ssize_t _FREE_OPERATIONS

cdef object begin_wait(StreamReader reader, Receiver receiver, object operation)

@cython.locals(buffer=ChunkBuffer, replacement=BytearrayBuffer, unread=bytes)
cdef BytearrayBuffer bytearray_buffer(Receiver receiver)

cdef class StreamReader:
    cdef readonly Receiver _sluiceway
