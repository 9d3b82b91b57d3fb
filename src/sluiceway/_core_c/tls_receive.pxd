cimport cython

from .receiver cimport IncomingCore
from .tls_send cimport SealingCore

cdef Py_ssize_t _HEADER, _PLAINTEXT, _MAXIMUM_RECORD, _ROOM, _MAXIMUM_ROOM
cdef int _FIRST_TYPE, _LAST_TYPE, _MAJOR

cdef Py_ssize_t _record_size(object data, Py_ssize_t position, Py_ssize_t size) except -1
@cython.locals(kind=int, length=Py_ssize_t)
cdef Py_ssize_t _said_size(bytes data, Py_ssize_t position, Py_ssize_t left) except -1

cdef class TLSCore(SealingCore):
    cdef public bint ended
    cdef object _read_record
    cdef object _put
    cdef bytes _header
    cdef Py_ssize_t _length
    cdef Py_ssize_t _missing
    cdef bytes _behind
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
