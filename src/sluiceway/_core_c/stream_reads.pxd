cimport cython

from . cimport read_by_size, read_operations
from . cimport read_until as records
from . cimport caller_buffer as caller_buffers
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .read_operations cimport StreamReader
from .receiver cimport Receiver

cdef class Stream:
    cdef readonly StreamReader _reader
    cdef Receiver _receiver

    cdef Receiver _receiver_for(self, object operation)
    cdef object _cannot_read(self, object operation)
    @cython.locals(buffered=Py_ssize_t)
    cdef bint _can_peek(self, Receiver receiver, Py_ssize_t size) except -1
    @cython.locals(buffered=Py_ssize_t)
    cdef bint _enough(self, Receiver receiver, Py_ssize_t least) except -1
