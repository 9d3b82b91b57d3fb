cimport cython

from .connection_state cimport ConnectionState
from .write_flow_control cimport WriteFlowControl
from .receive_interface cimport ReceiverProvider

@cython.locals(connection=ConnectionState)
cdef WriteFlowControl flow_of(ProtocolOperations protocol)
cdef WriteFlowControl flow_to_assign(ProtocolOperations protocol)

cdef class ProtocolOperations(ReceiverProvider):
    pass
