cimport cython

from . cimport receive_memory
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .end_of_input cimport EndOfInput
from .receive_memory cimport Block, Memory, Scratch
from .waiter cimport Waiter

cdef Py_ssize_t _DIRECT_BUFFER_AHEAD, _DIRECT_BUFFER_MINIMUM, _BLOCK_MINIMUM, _SCRATCH_SIZE, _EVERYTHING, _MINIMUM_RECEIVE
cdef Py_ssize_t _FREE_OPERATIONS

cdef class Receiver(EndOfInput):
    cdef public object loop
    cdef public ChunkBuffer buffer
    cdef public Discard discard
    cdef public object guard
    cdef readonly Py_ssize_t received
    cdef readonly Py_ssize_t arrivals
    cdef public Py_ssize_t handshake_size
    cdef readonly Py_ssize_t high_water
    cdef Scratch _scratch
    cdef ChunkBuffer _direct
    cdef Block _block
    # The small fields stand together, so that they take no padding.
    cdef bint _large
    cdef public int budget_used

    @cython.locals(room=Py_ssize_t, size=Py_ssize_t, buffer=ChunkBuffer)
    cpdef Memory get_buffer(self, Py_ssize_t hint)
    @cython.locals(buffer=ChunkBuffer)
    cpdef Memory direct_buffer(self, Py_ssize_t size)
    @cython.locals(direct=ChunkBuffer, data=bytes)
    cpdef bint committed(self, Py_ssize_t n) except -1
    @cython.locals(size=Py_ssize_t, buffer=ChunkBuffer)
    cpdef bint feed(self, bytes data) except -1
    @cython.locals(size=Py_ssize_t, buffer=ChunkBuffer)
    cdef object _measure(self)
    @cython.locals(source=Waiter)
    cpdef object wake(self)
    cdef bint ready(self) except -1
    cpdef object count_discarded(self, Py_ssize_t n)
    cpdef object transport_ended(self)
    @cython.locals(room=Py_ssize_t)
    cpdef Py_ssize_t room(self) except -1
    @cython.locals(buffer=ChunkBuffer)
    cdef bytes take(self, Py_ssize_t n)
    @cython.locals(size=Py_ssize_t, rest=bytes, buffer=ChunkBuffer, earlier=Discard)
    cpdef object drop(self, Discard discard, Py_ssize_t searched)
    @cython.locals(discard=Discard, rest=bytes)
    cdef bytes _without_discarded(self, bytes data)
    cdef bint _discarded(self) except -1
    cdef object resume_if_low(self)
    @cython.locals(missing=Py_ssize_t)
    cdef object _receive_directly(self)
    cdef bint spend_read(self) except -1
    cdef bint renew_for_drain(self) except -1
    cdef object begin_wait(self, object operation)
    @cython.locals(buffer=ChunkBuffer)
    cdef object release_bytearray(self)
    @cython.locals(buffer=ChunkBuffer)
    cdef object end_large_read(self)
