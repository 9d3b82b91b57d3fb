from .flow_control cimport FlowCore
from .receiver cimport IncomingCore
from .interface cimport Sink
from .connection_state cimport ConnectionState

cdef Py_ssize_t _FREE_DRAINS

cdef class WriterCore:
    cdef object _ps_carrier
    cdef Sink _ps_sink
    cdef object _ps_protocol
    cdef FlowCore _ps_flow
    cdef object _ps_reader
    cdef IncomingCore _ps_input
    cdef public object _loop
    cdef public ConnectionState _ps_state

    cdef bint _ps_gone(self) except -1
    cdef bint _ps_has_room(self) except -1
    cdef bint _ps_tired(self) except -1
