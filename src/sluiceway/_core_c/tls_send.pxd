cimport cython

from .raw_transport cimport RawTransport
from .write_queue cimport WriteQueue

cdef Py_ssize_t _PLAINTEXT, _AHEAD, _ANSWERS_MAXIMUM

cdef class TLSSender(RawTransport):
    cdef public object sslobject
    cdef public object owner
    cdef public object lower
    cdef public bint handshake_complete
    cdef public bint lower_paused
    cdef public bint output_pending
    cdef bint _shutdown_pending
    cdef bint _encrypting
    cdef Py_ssize_t _answers_size
    cdef RawTransport _raw
    cdef object _write_record
    cdef object _read_outgoing
    cdef object _outgoing
    cdef WriteQueue _queue

    cpdef Py_ssize_t pending_size(self) except -1
    cdef bint _encrypt(self, bytes data) except -1
    cdef object _encryption_failed(self, error)
    cdef object _interrupted(self)
    @cython.locals(records=list, raw=RawTransport)
    cpdef object flush(self, bint everything)
    @cython.locals(queue=WriteQueue, end=Py_ssize_t, position=Py_ssize_t)
    cdef object _encrypt_next(self, list records)
    @cython.locals(raw=RawTransport)
    cdef object _send(self, bytes data)
    @cython.locals(output=bytes)
    cdef object send_output(self)
    cdef bint needs_flush(self) except -1
    cdef object flush_after_arrival(self)
