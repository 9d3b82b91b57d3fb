cimport cython

from . cimport search
from .receive_memory cimport Memory

cdef Py_ssize_t _MERGE_BELOW, _TAIL_MAXIMUM, _CHUNK_COST, _FREE_CHUNK_COST, _COMPACT

cdef class ChunkBuffer:
    cdef list _chunks
    cdef Py_ssize_t _head
    cdef readonly Py_ssize_t unread
    cdef public Py_ssize_t waste
    cdef object _searched_for
    cdef Py_ssize_t _searched

    cpdef Py_ssize_t size(self) except -1
    cpdef Py_ssize_t searched(self, tuple patterns, bint waited) except -1
    cpdef object remember_search(self, tuple patterns, Py_ssize_t end)
    @cython.locals(cost=Py_ssize_t)
    cpdef Py_ssize_t excess(self) except -1
    @cython.locals(chunks=list, length=Py_ssize_t, tail_length=Py_ssize_t, size=Py_ssize_t)
    cpdef Py_ssize_t append(self, bytes data) except -1
    cdef object _uncount_tail(self, Py_ssize_t length)
    cpdef object compact(self)
    cpdef object clear(self)
    cpdef Memory direct(self, Py_ssize_t size)
    cpdef object direct_committed(self, Py_ssize_t n)
    cpdef bytes late_bytes(self, Py_ssize_t n)
    cpdef ChunkBuffer plain_buffer(self)
    cpdef ChunkBuffer abandon(self)
    cpdef ChunkBuffer unshared(self)
    @cython.locals(
        chunks=list, index=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t, result=bytes
    )
    cpdef bytes take(self, Py_ssize_t n)
    @cython.locals(chunks=list, index=Py_ssize_t)
    cdef object _drop(self, Py_ssize_t head)
    @cython.locals(
        chunks=list, index=Py_ssize_t, first=bytes, start=Py_ssize_t, separator=bytes, found=Py_ssize_t, end=Py_ssize_t,
        result=bytes,
    )
    cpdef bytes take_record(self, tuple separators, Py_ssize_t limit, Py_ssize_t floor)
    @cython.locals(chunks=list, index=Py_ssize_t, first=bytes, start=Py_ssize_t, length=Py_ssize_t, end=Py_ssize_t, result=bytes)
    cpdef bytes take_frame(self, Py_ssize_t prefix, bint little_endian, Py_ssize_t limit, Py_ssize_t floor)
    cpdef bytes peek(self, Py_ssize_t n)
    cpdef Py_ssize_t number(self, Py_ssize_t size, bint little_endian) except -1
    @cython.locals(chunks=list, length=Py_ssize_t, size=Py_ssize_t)
    cpdef object prepend(self, bytes data)
    @cython.locals(chunks=list)
    cpdef bytes take_all(self)
    @cython.locals(index=Py_ssize_t, have=bytes, wanted=bytes)
    cpdef bint matches(self, bytes pattern, Py_ssize_t at) except -1
    @cython.locals(
        chunks=list, found=Py_ssize_t, index=Py_ssize_t, base=Py_ssize_t, overlap=Py_ssize_t, low=Py_ssize_t,
        before=bytes, seam=bytes,
    )
    cpdef Py_ssize_t find(self, bytes pattern, Py_ssize_t start, Py_ssize_t end) except -2
