cimport cython

from . cimport receive_memory
from .budget cimport Budget
from .chunk_buffer cimport ChunkBuffer
from .discard cimport Discard
from .end_of_input cimport EndOfInput
from .receive_interface cimport ReceiveInterface
from .receive_memory cimport Block, Memory, Scratch
from .read_flow_control cimport ReadFlowControl
from .read_wait cimport ReadWait
from .waiter cimport Waiter

cdef Py_ssize_t _DIRECT_BUFFER_AHEAD, _DIRECT_BUFFER_MINIMUM, _BLOCK_MINIMUM, _SCRATCH_SIZE, _EVERYTHING, _MINIMUM_RECEIVE

cdef class Receiver(ReceiveInterface):
    cdef public object loop
    cdef public ChunkBuffer buffer
    cdef readonly ReadFlowControl flow
    cdef readonly EndOfInput end
    cdef readonly ReadWait wait
    cdef readonly Budget budget
    cdef public Discard discard
    cdef public object guard
    cdef readonly Py_ssize_t received
    cdef readonly Py_ssize_t arrivals
    cdef readonly Py_ssize_t high_water
    cdef Scratch _scratch
    cdef ChunkBuffer _direct
    cdef Block _block
    cdef bint _large

    @cython.locals(room=Py_ssize_t, size=Py_ssize_t, buffer=ChunkBuffer)
    cpdef Memory get_buffer(self, Py_ssize_t hint)
    @cython.locals(buffer=ChunkBuffer)
    cpdef Memory direct_buffer(self, Py_ssize_t size)
    @cython.locals(direct=ChunkBuffer, data=bytes)
    cpdef bint committed(self, Py_ssize_t n) except -1
    @cython.locals(size=Py_ssize_t, buffer=ChunkBuffer, wait=ReadWait)
    cpdef bint feed(self, bytes data) except -1
    @cython.locals(size=Py_ssize_t, buffer=ChunkBuffer)
    cdef object _measure(self)
    @cython.locals(wait=ReadWait, source=Waiter)
    cpdef object wake(self)
    cdef bint ready(self) except -1
    cpdef object transport_ended(self)
    @cython.locals(room=Py_ssize_t)
    cpdef Py_ssize_t room(self) except -1
    @cython.locals(buffer=ChunkBuffer)
    cdef bytes take(self, Py_ssize_t n)
    @cython.locals(size=Py_ssize_t, rest=bytes, buffer=ChunkBuffer)
    cpdef object drop(self, Discard discard)
    @cython.locals(discard=Discard, rest=bytes)
    cdef bytes _without_discarded(self, bytes data)
    cdef bint _discarded(self) except -1
    cdef object resume_if_low(self)
    @cython.locals(missing=Py_ssize_t)
    cdef object _receive_directly(self)
    cdef object begin_wait(self, object operation)
    @cython.locals(buffer=ChunkBuffer)
    cdef object release_bytearray(self)
    @cython.locals(buffer=ChunkBuffer)
    cdef object end_large_read(self)
