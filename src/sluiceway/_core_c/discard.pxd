cimport cython

@cython.final
cdef class Discard:
    cdef readonly object size
    cdef readonly object total
    cdef readonly tuple separators
    cdef public Discard earlier
    cdef bytes _tail

    cpdef bytes feed(self, data)
