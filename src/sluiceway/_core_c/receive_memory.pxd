cimport cython

cdef class Memory:
    cdef char* start
    cdef Py_ssize_t size
    # The number of exported buffers that are not released. While it is not 0, the memory must not move.
    cdef Py_ssize_t exports

    cdef int give_back(self) except -1
    cdef int check_received(self, Py_ssize_t n) except -1

@cython.final
cdef class Scratch(Memory):
    cdef Py_ssize_t capacity
    # The memory, in an object that its views refer to.
    cdef bytes content

    cdef int allocate(self) except -1
    cpdef Memory part(self, Py_ssize_t size)
    cpdef bytes take(self, Py_ssize_t n)
    cpdef object view(self, Py_ssize_t n)

@cython.final
cdef class Block(Memory):
    cdef bytes content

    cpdef bytes take(self, Py_ssize_t n)

cpdef Block block(Py_ssize_t size)
cpdef Memory borrow(buffer)
cpdef object release(Memory memory)
