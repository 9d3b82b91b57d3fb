# cython: language_level=3, binding=False
"""DirectBuffer: a buffer that receives bytes directly into the result of a large readexactly().

A DirectBuffer replaces the reader's ChunkBuffer while readexactly() waits, and has a single chunk. The pure core has
none.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy

from . cimport search


cdef extern from *:
    """
    /* Changes the size of a bytes object with one reference. For a large object, the kernel remaps the pages instead of
       copying them. _PyBytes_Resize does the same, but it is private and frees the object if memory runs out. This code
       relies on one private fact: a bytes object is one block of PyObject_Malloc. */
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

    static inline int sluiceway_is_shared(PyObject* block) {
        return Py_REFCNT(block) > 1;
    }
    """
    int sluiceway_resize(PyObject** block, Py_ssize_t size)
    bint sluiceway_is_shared(PyObject* block)


cdef class ResultMemory(Memory):
    """The part of a result that has not been received yet. ``owner``: the result, into which ``start`` points."""


cdef class DirectBuffer(ChunkBuffer):
    """Replaces ``plain``, the buffer of a reader, while a read waits for ``target_size`` bytes.

    ``result`` is the bytes object that the read returns, and ``filled`` the number of bytes received into ``result``.
    ``window`` is the memory that direct() returns. ``window`` refers to ``result`` until direct_committed(), or as long
    as a view of the memory exists. Meanwhile ``result`` is neither moved nor changed. At first, at most ``ahead`` bytes
    are allocated beyond the received bytes; later the size is doubled. The peer usually chooses ``target_size``, so
    this number must not determine the allocation.
    """

    def __init__(self, ChunkBuffer plain not None, Py_ssize_t target_size, Py_ssize_t ahead):
        self.unread = -1
        self.plain = plain
        self.target_size = target_size
        self.window = ResultMemory()
        self.resize(min(target_size, plain.size() + ahead))
        self.append(plain.take_all())

    # -- memory for a transport ---------------------------------------------------------------------------------------

    cpdef Memory direct(self, Py_ssize_t size):
        cdef Py_ssize_t missing = self.target_size - self.filled
        cdef ResultMemory window
        if missing <= 0 or missing < size or self.result is None:
            # All bytes have arrived, or the buffer was emptied.
            return None
        # If direct_committed() was not called, nothing was received into the memory of the previous call.
        self.drop_window()
        if PyBytes_GET_SIZE(self.result) - self.filled < max(size, 1):
            self.resize(min(self.target_size, max(2 * self.filled, self.filled + size)))
        window = self.window
        window.owner = self.result
        window.start = PyBytes_AS_STRING(self.result) + self.filled
        window.size = PyBytes_GET_SIZE(self.result) - self.filled
        return window

    cpdef object direct_committed(self, Py_ssize_t n):
        cdef ResultMemory window = self.window
        window.check_received(n)
        if window.owner is self.result:
            self.filled += n
        else:
            # The result was replaced after direct() returned the memory.
            self.append(PyBytes_FromStringAndSize(window.start, n))
        self.drop_window()

    cpdef bytes late_bytes(self, Py_ssize_t n):
        cdef ResultMemory window = self.window
        window.check_received(n)
        cdef bytes late = PyBytes_FromStringAndSize(window.start, n)
        self.drop_window()
        return late

    cdef int drop_window(self) except -1:
        """Drop the reference of the window to the result. A view of the window keeps both alive until its release."""
        if self.window.exports:
            self.window = ResultMemory()
        else:
            self.window.owner = None
        return 0

    cdef int resize(self, Py_ssize_t size) except -1:
        cdef PyObject* block
        cdef bytes other
        if self.result is None:
            self.result = PyBytes_FromStringAndSize(NULL, size)
            return 0
        if sluiceway_is_shared(<PyObject*>self.result):
            # Other code, such as OpenSSL without the interpreter lock, may write into the memory: it must not move.
            other = PyBytes_FromStringAndSize(NULL, size)
            memcpy(PyBytes_AS_STRING(other), PyBytes_AS_STRING(self.result), min(size, self.filled))
            self.result = other
            return 0
        # The attribute is cleared so that only this function refers to the object while it moves.
        block = <PyObject*>self.result
        Py_INCREF(self.result)
        self.result = None
        if sluiceway_resize(&block, size) < 0:
            self.result = <bytes>block
            Py_DECREF(self.result)
            raise MemoryError
        self.result = <bytes>block
        Py_DECREF(self.result)
        return 0

    # -- the interface of ChunkBuffer ---------------------------------------------------------------------------------

    cpdef Py_ssize_t size(self) except -1:
        return self.filled

    cpdef Py_ssize_t searched(self, tuple patterns, bint waited) except -1:
        return 0

    cpdef object remember_search(self, tuple patterns, Py_ssize_t end):
        pass

    cpdef Py_ssize_t excess(self) except -1:
        return 0

    cpdef Py_ssize_t append(self, bytes data) except -1:
        cdef Py_ssize_t needed = self.filled + PyBytes_GET_SIZE(data)
        if not data:
            return self.filled
        if self.result is None or needed > PyBytes_GET_SIZE(self.result) or sluiceway_is_shared(<PyObject*>self.result):
            self.resize(max(needed, min(self.target_size, 2 * self.filled)))
        memcpy(PyBytes_AS_STRING(self.result) + self.filled, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        self.filled = needed
        return needed

    cpdef object compact(self):
        pass

    cpdef object clear(self):
        self.result = None
        self.filled = 0

    cpdef bytes take(self, Py_ssize_t n):
        if n >= self.filled:
            return self.take_all()
        cdef Py_ssize_t filled = self.filled
        cdef bytes rest = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.result) + n, filled - n)
        self.filled = n
        try:
            taken = self.take_all()
        except BaseException:
            # A take that fails has taken nothing.
            self.filled = filled
            raise
        self.result = rest
        self.filled = filled - n
        return taken

    cpdef bytes take_all(self):
        if not self.filled:
            self.clear()
            return b""
        if self.filled < PyBytes_GET_SIZE(self.result) or sluiceway_is_shared(<PyObject*>self.result):
            self.resize(self.filled)
        taken = self.result
        self.clear()
        return taken

    cpdef bytes peek(self, Py_ssize_t n):
        # A slice object could start a collection, in which a finalizer empties this buffer.
        return b"" if self.result is None else search.piece(self.result, 0, min(n, self.filled))

    cpdef Py_ssize_t number(self, Py_ssize_t size, bint little_endian) except -1:
        return search.number(self.peek(size), 0, size, little_endian)

    cpdef object prepend(self, bytes data):
        raise NotImplementedError("a read that waits has this buffer")

    cpdef bint matches(self, bytes pattern, Py_ssize_t at) except -1:
        return self.peek(self.filled).startswith(pattern, at)

    cpdef Py_ssize_t find(self, bytes pattern, Py_ssize_t start, Py_ssize_t end) except -2:
        return -1 if self.result is None else search.find_in(self.result, pattern, start, min(end, self.filled))

    cpdef ChunkBuffer plain_buffer(self):
        cdef bytes taken
        if self.filled:
            taken = self.take_all()
            try:
                self.plain.append(taken)
            except BaseException:
                self.result = taken
                self.filled = PyBytes_GET_SIZE(taken)
                raise
        return self.plain


cpdef ChunkBuffer direct_buffer(ChunkBuffer plain, Py_ssize_t target_size, Py_ssize_t ahead):
    return DirectBuffer(plain, target_size, ahead)
