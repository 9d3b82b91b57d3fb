cimport cython

from . cimport protocol_operations
from .connection_state cimport ConnectionState
from .write_flow_control cimport WriteFlowControl
from .raw_transport cimport RawTransport
from .receiver cimport Receiver

cdef Py_ssize_t _FREE_DRAINS

@cython.final
@cython.freelist(64)
cdef class Sender:
    cdef public object loop
    cdef readonly ConnectionState connection
    cdef public object guard
    cdef readonly object transport
    cdef readonly object protocol
    cdef readonly object reader
    cdef RawTransport raw
    cdef bint over_loop
    cdef WriteFlowControl flow
    cdef Receiver receiver
    cdef public Py_ssize_t written
    cdef readonly Py_ssize_t writes
    cdef int budget_used
    cdef public bint eof_written

    cpdef object set_transport(self, transport)
    cpdef object set_protocol(self, protocol)
    @cython.locals(receiver=Receiver)
    cpdef object set_reader(self, reader)
    cdef bint transport_closing(self) except -1
    @cython.locals(raw=RawTransport)
    cpdef bint can_send(self) except -1
    @cython.locals(raw=RawTransport, flow=WriteFlowControl, receiver=Receiver)
    cpdef bint has_room(self) except -1
    @cython.locals(receiver=Receiver)
    cpdef bint budget_exhausted(self) except -1
