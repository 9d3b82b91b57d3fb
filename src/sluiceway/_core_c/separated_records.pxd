cimport cython

from . cimport read_until, record_iterator
from .borrowed_reader cimport BorrowedReader
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .read_operations cimport StreamReader
from .receiver cimport Receiver
from .record_iterator cimport RecordIterator

cdef class SeparatedRecords(RecordIterator):
    cdef readonly tuple separators
    cdef bint keeps_rest
    cdef bint _inside
    cdef bint _simple

    @cython.locals(receiver=Receiver, buffer=ChunkBuffer)
    cdef object ready_item(self)
    @cython.locals(receiver=Receiver, length=Py_ssize_t, record=bytes)
    cdef object attempt(self, bint waited)
    cdef Py_ssize_t target_size(self) except -1
    cdef Py_ssize_t window(self) except -1
    @cython.locals(receiver=Receiver)
    cdef object _rest(self)
    @cython.locals(receiver=Receiver, buffer=ChunkBuffer, separator=Py_ssize_t)
    cdef object _overlong(self, Py_ssize_t n)
    @cython.locals(receiver=Receiver)
    cdef object _drop(self, Py_ssize_t n, Py_ssize_t separator)
