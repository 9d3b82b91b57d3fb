# cython: language_level=3, binding=False
"""CallerBuffer: a buffer that receives bytes directly into memory of the program, for readinto().

A CallerBuffer replaces the reader's ChunkBuffer while readinto() waits. The pure core has none.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from . cimport receive_memory
from . cimport search

from .._constants import SCRATCH_SIZE

cdef Memory _NO_MEMORY = Memory()
cdef Py_ssize_t _SCRATCH_SIZE = SCRATCH_SIZE


cdef class CallerMemory(Memory):
    """The part of the program's buffer that is not filled. ``owner``: the Memory into which ``start`` points."""


cdef class CallerBuffer(ChunkBuffer):
    """Replaces ``plain``, the buffer of a reader, while a read waits for bytes in ``target``.

    The first ``filled`` of the ``capacity`` bytes of ``target`` are unread bytes of the stream, and those of ``plain``
    follow them; while ``plain`` has some, nothing is added to ``target``. ``window`` is the memory that direct()
    returns. While a view of the window exists, the window refers to ``target``, so that the program's buffer is not
    released. ``viewed``: the last window that was dropped with a view.
    """

    def __init__(self, ChunkBuffer plain not None, Memory target not None):
        self.unread = -1
        self.plain = plain
        self.target = target
        self.capacity = target.size
        self.window = CallerMemory()
        cdef bytes first = plain.take(min(plain.size(), self.capacity))
        memcpy(target.start, PyBytes_AS_STRING(first), PyBytes_GET_SIZE(first))
        self.filled = PyBytes_GET_SIZE(first)

    # -- memory for a transport ---------------------------------------------------------------------------------------

    cpdef Memory direct(self, Py_ssize_t size):
        cdef Py_ssize_t missing = self.capacity - self.filled
        cdef CallerMemory window
        cdef Memory target = self.target
        if missing <= 0 or missing < size or self.plain.size():
            return None
        # If direct_committed() was not called, nothing was received into the memory of the previous call.
        self.drop_window()
        window = self.window
        window.owner = target
        window.start = target.start + self.filled
        window.size = missing
        return window

    cpdef object direct_committed(self, Py_ssize_t n):
        cdef CallerMemory window = self.window
        window.check_received(n)
        if window.owner is self.target and window.start == self.target.start + self.filled:
            self.filled += n
        elif n:
            # The buffer was emptied or released after direct() returned the memory.
            self.plain.append(PyBytes_FromStringAndSize(window.start, n))
        self.drop_window()

    cpdef bytes late_bytes(self, Py_ssize_t n):
        # plain_buffer() has kept the target, because a view of the window exists.
        cdef CallerMemory window = self.window
        window.check_received(n)
        cdef bytes late = PyBytes_FromStringAndSize(window.start, n)
        self.drop_window()
        return late

    cdef int drop_window(self) except -1:
        """Drop the reference of the window to the target. A view of the window keeps both alive until its release."""
        if self.window.exports:
            self.viewed = self.window
            self.window = CallerMemory()
        else:
            self.window.owner = None
        return 0

    # -- the interface of ChunkBuffer ---------------------------------------------------------------------------------

    cpdef Py_ssize_t size(self) except -1:
        return self.filled + self.plain.size()

    cpdef Py_ssize_t searched(self, tuple patterns, bint waited) except -1:
        return 0

    cpdef object remember_search(self, tuple patterns, Py_ssize_t end):
        pass

    cpdef Py_ssize_t excess(self) except -1:
        return self.plain.excess()

    cpdef Py_ssize_t append(self, bytes data) except -1:
        cdef Py_ssize_t length = PyBytes_GET_SIZE(data)
        # While a view of the window exists, a transport may receive into it, without the interpreter lock.
        cdef bint used = self.plain.size() > 0 or self.window.exports > 0
        cdef Py_ssize_t fits = 0 if used else min(length, self.capacity - self.filled)
        if fits < length:
            # Before the copy: if this raises, nothing has changed.
            self.plain.append(search.piece(data, fits, length))
        # The pointer is NULL after release_target(), and memcpy() must not get NULL, even for 0 bytes.
        if fits:
            memcpy(self.target.start + self.filled, PyBytes_AS_STRING(data), fits)
            self.filled += fits
        return self.filled + self.plain.size() + self.plain.excess()

    cpdef object compact(self):
        self.plain.compact()

    cpdef object clear(self):
        self.filled = 0
        self.plain.clear()

    cpdef bytes take(self, Py_ssize_t n):
        self.plain_buffer()
        return self.plain.take(n)

    cpdef bytes take_all(self):
        self.plain_buffer()
        return self.plain.take_all()

    cpdef bytes take_record(self, tuple separators, Py_ssize_t limit, Py_ssize_t floor):
        return None

    cpdef bytes take_frame(self, Py_ssize_t prefix, bint little_endian, Py_ssize_t limit, Py_ssize_t floor):
        return None

    cpdef bytes peek(self, Py_ssize_t n):
        return (PyBytes_FromStringAndSize(self.target.start, self.filled) + self.plain.peek(n))[:n]

    cpdef Py_ssize_t number(self, Py_ssize_t size, bint little_endian) except -1:
        return search.number(self.peek(size), 0, size, little_endian)

    cpdef object prepend(self, bytes data):
        raise NotImplementedError("a read that waits has this buffer")

    cpdef bint matches(self, bytes pattern, Py_ssize_t at) except -1:
        return self.peek(self.size()).startswith(pattern, at)

    cpdef Py_ssize_t find(self, bytes pattern, Py_ssize_t start, Py_ssize_t end) except -2:
        return self.peek(self.size()).find(pattern, start, end)

    cpdef ChunkBuffer plain_buffer(self):
        # A transport that has called direct() may still receive into the window. So the window gets other memory, with
        # room for a TLS record: the rest of a record would stay in OpenSSL. First, because it may raise MemoryError.
        cdef bint lent = self.window.exports > 0
        cdef Memory other = _NO_MEMORY
        if self.window.owner is not None and not lent:
            other = receive_memory.block(min(self.window.size, _SCRATCH_SIZE))
        if self.filled:
            # The read has not ended with these bytes: they go back to the stream.
            self.plain.prepend(PyBytes_FromStringAndSize(self.target.start, self.filled))
            self.filled = 0
        if not lent and not self.window.exports:
            self.release_target(other)
        return self.plain

    cpdef ChunkBuffer abandon(self):
        self.filled = 0
        try:
            self.plain_buffer()
        except MemoryError:
            # The window has no memory. A receive then seems to be the end of the input, but no later read succeeds.
            self.release_target(_NO_MEMORY)
        return self.plain

    cdef int release_target(self, Memory other) except -1:
        """Drop all references to the target, so that the program can resize its buffer when the read has ended.

        ``other``: the memory that the window gets. late_bytes() returns what is received into it.
        """
        cdef CallerMemory window = self.window
        window.start = other.start
        window.size = other.size
        window.owner = other
        self.viewed = None
        self.target = _NO_MEMORY
        self.capacity = 0
        return 0


cpdef ChunkBuffer caller_buffer(ChunkBuffer plain, target):
    return CallerBuffer(plain, receive_memory.borrow(target))


cpdef Py_ssize_t filled(ChunkBuffer buffer) except -1:
    return (<CallerBuffer?>buffer).filled


cpdef bint lent(ChunkBuffer buffer) except -1:
    cdef CallerMemory viewed = (<CallerBuffer?>buffer).viewed
    return viewed is not None and viewed.exports > 0


cpdef object hand_over(ChunkBuffer buffer):
    cdef CallerBuffer caller = <CallerBuffer?>buffer
    # Nothing after this statement may allocate memory: the bytes would be lost.
    cdef object filled = caller.filled
    caller.filled = 0
    return filled
