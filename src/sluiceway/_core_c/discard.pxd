cimport cython

@cython.final
cdef class Discard:
    cdef readonly object size
    cdef readonly object total
    cdef readonly tuple separators
    cdef public object earlier
    cdef bytes _tail

    cdef follow(self, Discard earlier)
    cdef unfollow(self)
    cdef shrink(self, Py_ssize_t n)
    cdef Discard first(self)
    cpdef bytes feed(self, data)
