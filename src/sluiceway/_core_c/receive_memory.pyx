# cython: language_level=3, binding=False
"""Memory that bytes are received into: the compiled variant of ``_core/receive_memory.py``, over pointers."""

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.memoryview cimport PyMemoryView_FromMemory


cdef class Memory:
    """``size`` bytes from ``start``; also as a writable buffer, for whatever calls recv_into."""

    def __len__(self):
        return self.size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.exports -= 1

    cdef int give_back(self) except -1:
        """Nothing was received; return what was borrowed from a program."""
        return 0


cdef class Scratch(Memory):
    """Memory that the connections of a loop receive into, one after the other."""

    def __cinit__(self, Py_ssize_t size):
        self.allocated = <char*>PyMem_Malloc(size)
        if self.allocated == NULL:
            raise MemoryError
        self.start = self.allocated
        self.capacity = self.size = size

    def __dealloc__(self):
        PyMem_Free(self.allocated)

    cpdef Memory part(self, Py_ssize_t size):
        self.size = size if size < self.capacity else self.capacity
        return self

    cpdef bytes take(self, Py_ssize_t n):
        if n < 0 or n > self.capacity:
            raise ValueError(f"{n} bytes of a scratch buffer of {self.capacity}")
        return PyBytes_FromStringAndSize(self.start, n)

    cpdef object view(self, Py_ssize_t n):
        if n < 0 or n > self.capacity:
            raise ValueError(f"{n} bytes of a scratch buffer of {self.capacity}")
        return PyMemoryView_FromMemory(self.start, n, PyBUF_READ)


cdef class Block(Memory):
    """A bytes object that nothing else refers to yet."""

    cpdef bytes take(self, Py_ssize_t n):
        """The object, cut to its first ``n`` bytes."""
        if n < 0 or n > self.size:
            raise ValueError(f"{n} bytes of a block of {self.size}")
        content = self.content
        self.content = None
        return content if n == self.size else content[:n]


cpdef Block block(Py_ssize_t size):
    cdef Block made = Block()
    made.content = PyBytes_FromStringAndSize(NULL, size)
    made.start = PyBytes_AS_STRING(made.content)
    made.size = size
    return made


cdef class Borrowed(Memory):
    """The memory of a buffer that a program lends."""

    cdef Py_buffer view
    cdef bint lent

    def __cinit__(self, buffer):
        PyObject_GetBuffer(buffer, &self.view, PyBUF_WRITABLE)
        self.lent = True
        self.start = <char*>self.view.buf
        self.size = self.view.len

    def __dealloc__(self):
        self.give_back()

    cdef int give_back(self) except -1:
        if self.lent:
            self.lent = False
            self.size = 0
            PyBuffer_Release(&self.view)
        return 0


cpdef Memory borrow(buffer):
    return Borrowed(buffer)


cpdef object release(Memory memory):
    memory.give_back()
