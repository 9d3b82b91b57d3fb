# cython: language_level=3, binding=False
"""Where a large readexactly lands: the bytes of its result are received into the result itself.

Only compiled transports can do that, so it has no pure twin. It takes the place of the reader's buffer while the read
waits, and whatever else is asked of it meanwhile it answers as a buffer of one chunk.
"""

from cpython.buffer cimport PyBUF_WRITE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy


cdef extern from *:
    """
    /* A block that nobody has seen yet, longer or shorter, and moved by the kernel instead of copied where it is large. What
       _PyBytes_Resize does, but that gives up the bytes where memory has run out. */
    static int sluiceway_resize(PyObject** block, Py_ssize_t size) {
    #ifdef Py_TRACE_REFS
        PyObject* moved = PyBytes_FromStringAndSize(NULL, size);
        if (moved == NULL) {
            PyErr_Clear();
            return -1;
        }
        memcpy(PyBytes_AS_STRING(moved), PyBytes_AS_STRING(*block), Py_MIN(size, PyBytes_GET_SIZE(*block)));
        Py_DECREF(*block);
    #else
        PyObject* moved = (PyObject*)PyObject_Realloc(*block, offsetof(PyBytesObject, ob_sval) + size + 1);
        if (moved == NULL)
            return -1;
        Py_SET_SIZE((PyVarObject*)moved, size);
        PyBytes_AS_STRING(moved)[size] = 0;
    #endif
        *block = moved;
        return 0;
    }
    """
    int sluiceway_resize(PyObject** block, Py_ssize_t size)


cdef class LandingBuffer(ChunkBuffer):
    """Made of the buffer ``plain`` of a reader that waits for ``wanted`` bytes, more than it holds.

    Memory is allocated for at most ``ahead`` bytes that have not arrived, and doubled from then on: how many are
    wanted is what a peer says, as a rule.
    """

    def __init__(self, ChunkBuffer plain, Py_ssize_t wanted, Py_ssize_t ahead):
        self.plain = plain
        self.wanted = wanted
        self.resize(min(wanted, plain.held() + ahead))
        self.append(plain.take_all())

    # -- what a transport asks ----------------------------------------------------------------------------------------

    cdef bint lacks(self) noexcept:
        """Whether bytes are still to land. They are not where somebody has taken the block away."""
        return self.filled < self.wanted and self.block is not None

    cdef char* room(self, Py_ssize_t* size) except NULL:
        """Memory for the next bytes, and for how many; only where it lacks some."""
        if self.filled == PyBytes_GET_SIZE(self.block):
            self.resize(min(self.wanted, 2 * self.filled))
        size[0] = PyBytes_GET_SIZE(self.block) - self.filled
        return PyBytes_AS_STRING(self.block) + self.filled

    cpdef object landed(self, Py_ssize_t size):
        """``size`` bytes were put there."""
        self.filled += size

    cpdef object landing(self, Py_ssize_t size):
        cdef Py_ssize_t room = 0
        if self.block is None or self.wanted - self.filled < size:
            return None
        if PyBytes_GET_SIZE(self.block) - self.filled < size:
            self.resize(min(self.wanted, max(2 * self.filled, self.filled + size)))
        return PyMemoryView_FromMemory(self.room(&room), size, PyBUF_WRITE)

    cdef int resize(self, Py_ssize_t size) except -1:
        cdef PyObject* block
        if self.block is None:
            self.block = PyBytes_FromStringAndSize(NULL, size)
            return 0
        # Out of the attribute: nobody but this refers to it while it moves.
        block = <PyObject*>self.block
        Py_INCREF(self.block)
        self.block = None
        if sluiceway_resize(&block, size) < 0:
            self.block = <bytes>block
            Py_DECREF(self.block)
            raise MemoryError
        self.block = <bytes>block
        Py_DECREF(self.block)
        return 0

    # -- a buffer -----------------------------------------------------------------------------------------------------

    cpdef Py_ssize_t held(self) except -1:
        return self.filled

    cpdef Py_ssize_t searched(self, tuple patterns) except -1:
        return 0

    cpdef object remember_search(self, tuple patterns, Py_ssize_t end):
        pass

    cpdef Py_ssize_t excess(self) except -1:
        return 0

    cpdef Py_ssize_t append(self, bytes data) except -1:
        cdef Py_ssize_t needed = self.filled + PyBytes_GET_SIZE(data)
        if not data:
            return self.filled
        if self.block is None or needed > PyBytes_GET_SIZE(self.block):
            self.resize(max(needed, min(self.wanted, 2 * self.filled)))
        memcpy(PyBytes_AS_STRING(self.block) + self.filled, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        self.filled = needed
        return needed

    cpdef object compact(self):
        pass

    cpdef object clear(self):
        self.block = None
        self.filled = 0

    cpdef bytes take(self, Py_ssize_t n):
        if n >= self.filled:
            return self.take_all()
        rest = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.block) + n, self.filled - n)
        self.filled = n
        taken = self.take_all()
        self.append(rest)
        return taken

    cpdef bytes take_all(self):
        if not self.filled:
            self.clear()
            return b""
        if self.filled < PyBytes_GET_SIZE(self.block):
            self.resize(self.filled)
        block = self.block
        self.clear()
        return block

    cpdef bint matches(self, bytes pattern, Py_ssize_t at) except -1:
        return self.block is not None and self.block[:self.filled].startswith(pattern, at)

    cpdef Py_ssize_t find(self, bytes pattern, Py_ssize_t start) except -2:
        return -1 if self.block is None else self.block.find(pattern, start, self.filled)

    cpdef ChunkBuffer settled(self):
        if self.filled:
            self.plain.append(self.take_all())
        return self.plain
