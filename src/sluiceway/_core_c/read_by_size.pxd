cimport cython

from .chunk_buffer cimport ChunkBuffer
from .receiver cimport Receiver

cdef Py_ssize_t _EVERYTHING

@cython.locals(size=Py_ssize_t)
cdef Py_ssize_t as_c_integer(object n) except -2
@cython.locals(size=Py_ssize_t)
cdef bytes some(Receiver receiver, Py_ssize_t n, bint waited)
@cython.locals(buffer=ChunkBuffer, size=Py_ssize_t)
cdef bytes exactly(Receiver receiver, Py_ssize_t n, object expected, bint waited, stream)
cdef object ended_early(call, Py_ssize_t size, Py_ssize_t expected, stream)
