# cython: language_level=3, binding=False
"""Memory for received bytes: the compiled variant of ``_core/receive_memory.py``, with pointers."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport PyObject

cdef extern from "Python.h":
    # Declared with a pointer, because Cython may hold another reference to an object in the call.
    Py_ssize_t Py_REFCNT(PyObject* o)


cdef class Memory:
    """``size`` bytes of memory at ``start``, with the buffer protocol (writable), so that recv_into() accepts it."""

    def __len__(self):
        return self.size

    def __getitem__(self, key):
        # asyncio's TLS passes a slice to OpenSSL, if a program has put it below the reader.
        return memoryview(self)[key]

    def __setitem__(self, key, value):
        # asyncio's proactor loop copies what it has received.
        memoryview(self)[key] = value

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)
        self.exports += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.exports -= 1

    cdef int give_back(self) except -1:
        """Release the buffer if it was borrowed from the program, and do nothing otherwise."""
        return 0

    cdef int check_received(self, Py_ssize_t n) except -1:
        """Raise ValueError if ``n`` bytes cannot have been received into this memory."""
        if n < 0 or n > self.size:
            raise ValueError(f"n must be in the range 0 to {self.size}, the size of the memory, not {n}")
        return 0


cdef class Scratch(Memory):
    """The receive buffer of a loop or of one connection. Each receive overwrites the previous one."""

    def __cinit__(self, Py_ssize_t size):
        self.capacity = self.size = size
        self.allocate()

    cdef int allocate(self) except -1:
        self.content = PyBytes_FromStringAndSize(NULL, self.capacity)
        self.start = PyBytes_AS_STRING(self.content)
        return 0

    cpdef Memory part(self, Py_ssize_t size):
        if Py_REFCNT(<PyObject*>self.content) > 1:
            # A view is in use, and this is a call of a loop nested in that use: it must not overwrite the bytes.
            self.allocate()
        self.size = size if size < self.capacity else self.capacity
        return self

    cpdef bytes take(self, Py_ssize_t n):
        if n < 0 or n > self.capacity:
            raise ValueError(f"n must be in the range 0 to {self.capacity}, the size of the scratch buffer, not {n}")
        return PyBytes_FromStringAndSize(self.start, n)

    cpdef object view(self, Py_ssize_t n):
        if n < 0 or n > self.capacity:
            raise ValueError(f"n must be in the range 0 to {self.capacity}, the size of the scratch buffer, not {n}")
        # The reference tells part(), which a nested loop may call in a collection, that the memory is in use.
        content = self.content
        return memoryview(content)[:n]


cdef class Block(Memory):
    """The memory of a new bytes object, to which no other object refers."""

    cpdef bytes take(self, Py_ssize_t n):
        """Return the bytes object, truncated to ``n`` bytes. The Block has no memory any more."""
        if n < 0 or n > self.size:
            raise ValueError(f"n must be in the range 0 to {self.size}, the size of the block, not {n}")
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
    """The memory of a buffer of the program, until give_back() releases the buffer."""

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
