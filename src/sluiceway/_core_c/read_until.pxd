cimport cython

from .chunk_buffer cimport ChunkBuffer
from .receiver cimport Receiver

cdef tuple NEWLINE
cdef Py_ssize_t _FIRST_PART

@cython.locals(buffer=ChunkBuffer, length=Py_ssize_t, size=Py_ssize_t, found=bytes)
cdef bytes record(Receiver receiver, tuple separators, object operation, bint waited, bint is_line)
@cython.locals(buffer=ChunkBuffer, found=bytes, length=Py_ssize_t, consumed=Py_ssize_t)
cdef bytes limited(Receiver receiver, tuple separators, Py_ssize_t limit, object operation, bint waited, bint keeps_rest, stream)
cdef object no_separator(call, Receiver receiver, stream)
@cython.locals(length=Py_ssize_t, consumed=Py_ssize_t)
cdef Py_ssize_t _record_length(Receiver receiver, tuple separators, bint waited, bint is_line) except -2
@cython.locals(
    buffer=ChunkBuffer, size=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, position=Py_ssize_t, found=Py_ssize_t,
    length=Py_ssize_t, separator=bytes, searched=Py_ssize_t, first=Py_ssize_t,
)
cdef Py_ssize_t find_record(Receiver receiver, tuple separators, bint waited, Py_ssize_t limit) except? -99
@cython.locals(size=Py_ssize_t)
cdef Py_ssize_t target_size(Receiver receiver) except -1
@cython.locals(buffer=ChunkBuffer, separator=bytes)
cdef Py_ssize_t separator_at(Receiver receiver, tuple separators, Py_ssize_t at) except -1
cdef object _raise_overrun(Receiver receiver, Py_ssize_t consumed, bint found, bint is_line)
@cython.locals(buffer=ChunkBuffer)
cdef object drop_line(Receiver receiver, message, Py_ssize_t consumed)
