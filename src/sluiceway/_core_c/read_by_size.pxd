cimport cython

from .chunk_buffer cimport ChunkBuffer
from .receiver cimport Receiver

@cython.locals(size=Py_ssize_t)
cdef bytes some(Receiver receiver, Py_ssize_t n, bint waited)
@cython.locals(size=Py_ssize_t)
cdef bytes exactly(Receiver receiver, Py_ssize_t n, object expected, bint waited)
