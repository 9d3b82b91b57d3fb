cimport cython

from .chunk_buffer cimport ChunkBuffer
from .waiter cimport Waiter

cdef Py_ssize_t _MINIMUM_RECEIVE, _FREE_OPERATIONS

cdef class IncomingCore:
    cdef public Py_ssize_t _limit
    cdef public object _loop
    cdef public ChunkBuffer _ps_unread
    cdef public bint _eof
    cdef public object _exception
    cdef public bint _ps_exception_after_data
    cdef public object _ps_cut_short
    cdef public bint _ps_closed
    cdef public object _transport
    cdef public bint _paused
    cdef public object _waiter
    cdef public Waiter _ps_waiter_source
    cdef public bint _ps_intercepted
    cdef public object _ps_lifeline
    cdef public object _ps_operation
    cdef public object _ps_holder
    cdef public Py_ssize_t _ps_wanted
    cdef public Py_ssize_t _ps_asked
    cdef public Py_ssize_t _ps_spent

    @cython.locals(held=Py_ssize_t)
    cdef bint _ps_arrive(self, bytes data) except -1
    cdef bint _ps_satisfied(self) except -1
    cdef bint _ps_failed(self, bint enough) except -1
    @cython.locals(room=Py_ssize_t)
    cdef Py_ssize_t _ps_room(self) except -1
    cdef object _ps_wait(self, object operation)
    cdef object _ps_begin_wait(self, object operation)
    cdef object _ps_own(self, object operation)
    cdef object _ps_end_wait(self)
    cdef bint _ps_tired(self) except -1
