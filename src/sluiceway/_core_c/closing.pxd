from .connection_state cimport ConnectionState
from .raw_transport cimport RawTransport, RawTransportProvider

cdef class ClosingState(ConnectionState):
    cdef public object loop
    cdef public object transport
    cdef public object protocol_transport
    cdef public object owner
    cdef public object record
    cdef public object writer_ref
    cdef public tuple assigned_writer
    cdef public object close_timeout
    cdef public list _closed_waiters
    cdef public object _closed_future
    cdef public object _close_timer
    cdef public dict _loop_tls_values
    cdef RawTransport _direct

    cdef bint _everything_sent(self) except -1
    cdef object _resolve(self, waiter)
