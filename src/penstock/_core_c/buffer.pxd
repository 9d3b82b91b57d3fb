cdef class ChunkBuffer:
    cdef list _chunks
    cdef Py_ssize_t _size
    cdef public Py_ssize_t waste
    cdef object _searched_for
    cdef Py_ssize_t _searched

    cpdef Py_ssize_t held(self) except -1
    cpdef Py_ssize_t searched(self, tuple patterns) except -1
    cpdef object remember_search(self, tuple patterns, Py_ssize_t end)
    cpdef Py_ssize_t excess(self) except -1
    cpdef Py_ssize_t append(self, bytes data) except -1
    cpdef object compact(self)
    cpdef object clear(self)
    cpdef bytes take(self, Py_ssize_t n)
    cpdef bytes take_all(self)
    cpdef bint matches(self, bytes pattern, Py_ssize_t at) except -1
    cpdef Py_ssize_t find(self, bytes pattern, Py_ssize_t start) except -2
