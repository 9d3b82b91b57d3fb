cimport cython

from . cimport search

cdef Py_ssize_t _COMPACT

@cython.final
@cython.freelist(64)
cdef class WriteQueue:
    cdef list pieces
    cdef Py_ssize_t head
    cdef Py_ssize_t offset
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t discarded

    cpdef object append(self, bytes piece)
    cpdef object prepend(self, bytes piece)
    cpdef object first(self)
    @cython.locals(pieces=list, head=Py_ssize_t, offset=Py_ssize_t, size=Py_ssize_t)
    cpdef object front(self, Py_ssize_t most)
    @cython.locals(index=Py_ssize_t, offset=Py_ssize_t)
    cpdef list waiting(self)
    @cython.locals(pieces=list, size=Py_ssize_t, first=Py_ssize_t, head=Py_ssize_t, length=Py_ssize_t, index=Py_ssize_t)
    cpdef object advance(self, Py_ssize_t n)
    cpdef object discard(self)
    cpdef object clear(self)
