from .write_flow_control cimport WriteFlowControl
from .receive_interface cimport ReceiverReference

cdef class ConnectionState(ReceiverReference):
    cdef readonly WriteFlowControl flow
    cdef public object loop_writer
    cdef public object waiting_read
    cdef public int yields
    cdef readonly str state
    cdef public object error
    cdef readonly bint closing
    cdef readonly bint lost
    cdef readonly bint closed_first
    cdef readonly bint discarding

    cpdef apply(self, str event)
