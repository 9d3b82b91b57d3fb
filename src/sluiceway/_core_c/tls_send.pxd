cimport cython

from .interface cimport Sink

cdef Py_ssize_t _PLAINTEXT, _AHEAD

cdef class SealingCore(Sink):
    cdef public object sslobject
    cdef public object owner
    cdef public object carrier
    cdef public bint open
    cdef public bint clogged
    cdef bint _leaving
    cdef bint _spoke
    cdef bint _busy
    cdef Sink _sink
    cdef object _write_record
    cdef object _get
    cdef object _outgoing
    cdef object _held_up
    cdef Py_ssize_t _waiting

    cdef object _send(self, bytes data)
    cdef object _answer(self)
    cdef bint _encrypt(self, bytes data) except -1
    cdef object _refused(self, error)
    cdef object _interrupted(self)
    cdef object _forget(self)
    @cython.locals(pieces=list)
    cpdef object go_on(self, bint everything)
    @cython.locals(end=Py_ssize_t, position=Py_ssize_t)
    cdef object _encrypt_next(self, list pieces)
    cdef object _flush(self)
