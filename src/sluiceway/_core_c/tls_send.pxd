cimport cython

from .raw_transport cimport Corkable, RawTransport
from .task_stepper cimport Stepper
from .write_queue cimport WriteQueue

cdef Py_ssize_t _PLAINTEXT, _AHEAD, _ANSWERS_MAXIMUM
cdef int _IDLE, _ENCRYPTING, _SENDING

cdef class TLSSender(Corkable):
    cdef public object sslobject
    cdef public object owner
    cdef public object lower
    cdef public bint discarding
    cdef public bint handshake_complete
    cdef public bint lower_paused
    cdef public bint output_pending
    cdef bint _shutdown_pending
    cdef readonly int busy
    cdef bint _deferred
    cdef bint _corked
    cdef bytes _held
    cdef Py_ssize_t _answers_size
    cdef readonly Py_ssize_t alert_size
    cdef Py_ssize_t _record_size
    cdef RawTransport _raw
    cdef object _write_record
    cdef object _read_outgoing
    cdef object _outgoing
    cdef WriteQueue _queue

    @cython.locals(raw=RawTransport)
    cpdef object write(self, data)
    @cython.locals(held=bytes)
    cdef object flush_corked(self)
    @cython.locals(raw=RawTransport, stepper=Stepper)
    cpdef object before_drain(self)
    @cython.locals(raw=RawTransport)
    cpdef object uncork(self)
    @cython.locals(raw=RawTransport)
    cpdef object corking(self, Py_ssize_t size)
    @cython.locals(held=bytes)
    cpdef Py_ssize_t pending_size(self) except -1
    @cython.locals(written=Py_ssize_t, record=bytes)
    cdef bint _encrypt(self, bytes data) except -1
    cdef object _encryption_failed(self, error)
    cdef object _interrupted(self, error)
    cdef object _send_deferred(self)
    @cython.locals(records=list, raw=RawTransport)
    cpdef object flush(self, bint everything)
    cdef object _cork(self, Stepper stepper, bytes data)
    @cython.locals(held=bytes, queue=WriteQueue)
    cdef object _append(self, bytes data)
    @cython.locals(queue=WriteQueue)
    cdef object _prepend(self, bytes data)
    @cython.locals(queue=WriteQueue)
    cdef WriteQueue _create_queue(self)
    @cython.locals(queue=WriteQueue, left=Py_ssize_t, encrypted=Py_ssize_t)
    cdef object _encrypt_next(self, list records)
    @cython.locals(raw=RawTransport)
    cdef object _send(self, bytes data)
    @cython.locals(raw=RawTransport)
    cdef object _send_pieces(self, list records)
    cpdef object pause(self)
    @cython.locals(output=bytes)
    cdef object send_output(self)
    cdef bint needs_flush(self) except -1
    cdef object flush_after_arrival(self)
