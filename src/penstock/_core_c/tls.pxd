cimport cython

from .incoming cimport IncomingCore
from .sink cimport Sink

cdef Py_ssize_t _HEADER, _PLAINTEXT, _MAXIMUM_RECORD, _AHEAD, _ROOM, _MAXIMUM_ROOM
cdef int _FIRST_TYPE, _LAST_TYPE, _MAJOR

cdef Py_ssize_t _record_size(object data, Py_ssize_t position, Py_ssize_t size) except -1
@cython.locals(kind=int, length=Py_ssize_t)
cdef Py_ssize_t _said_size(bytes data, Py_ssize_t position, Py_ssize_t left) except -1

cdef class TLSCore(Sink):
    cdef public object sslobject
    cdef public object owner
    cdef public object carrier
    cdef public bint open
    cdef public bint ended
    cdef bint _leaving
    cdef bint _spoke
    cdef Sink _sink
    cdef object _read_record
    cdef object _write_record
    cdef object _put
    cdef object _get
    cdef object _outgoing
    cdef bytes _header
    cdef Py_ssize_t _length
    cdef Py_ssize_t _missing
    cdef bytes _behind
    cdef object _held_up
    cdef Py_ssize_t _waiting
    cdef bint _busy
    cdef public bint clogged
    cdef object _reader_ref

    cpdef IncomingCore reader(self)
    @cython.locals(reader=IncomingCore, room=Py_ssize_t, rest=Py_ssize_t, whole=Py_ssize_t)
    cpdef Py_ssize_t room(self) except -1
    @cython.locals(wake=IncomingCore, reader=IncomingCore, was_open=bint, blocks=list)
    cpdef IncomingCore take(self, object data)
    @cython.locals(wake=bint, size=Py_ssize_t, position=Py_ssize_t, was_open=bint)
    cdef bint _decrypt(self, object data, IncomingCore reader, list blocks) except -1
    @cython.locals(end=Py_ssize_t)
    cdef Py_ssize_t _collect(self, object data, Py_ssize_t position, Py_ssize_t size) except -1
    @cython.locals(room=Py_ssize_t)
    cdef bint _read(self, IncomingCore reader, list blocks) except -1
    cdef object _shake_hands(self)
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
