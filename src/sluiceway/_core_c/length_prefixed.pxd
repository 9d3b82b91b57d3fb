cimport cython

from . cimport record_iterator
from .borrowed_reader cimport BorrowedReader
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .read_operations cimport StreamReader
from .receiver cimport Receiver
from .record_iterator cimport RecordIterator

cdef class LengthPrefixed(RecordIterator):
    cdef Py_ssize_t length_bytes
    cdef bint little_endian
    cdef Py_ssize_t _missing
    cdef bint _simple
    # A Python integer: a prefix of eight bytes exceeds every C integer of the package.
    cdef object _rest
    cdef object _length

    @cython.locals(receiver=Receiver, buffer=ChunkBuffer)
    cdef object ready_item(self)
    @cython.locals(
        receiver=Receiver, buffer=ChunkBuffer, size=Py_ssize_t, prefix=Py_ssize_t, length=Py_ssize_t, frame=bytes
    )
    cdef object attempt(self, bint waited)
    @cython.locals(receiver=Receiver, buffer=ChunkBuffer, removed=bytes)
    cdef bytes _take_frame(self, Py_ssize_t n)
    cdef Py_ssize_t target_size(self) except -1
    @cython.locals(buffer=ChunkBuffer)
    cdef object _exact_length(self)
    cdef object _incomplete(self, expected, arrived, length)
    @cython.locals(receiver=Receiver, n=Py_ssize_t)
    cdef object _piece(self, Py_ssize_t size)
    cdef object _refuse(self, Py_ssize_t prefix)
