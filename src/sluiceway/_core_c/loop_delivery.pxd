from .loop_writer cimport LoopWriter
from . cimport weak_reference
from .protocol_receiver cimport ProtocolReceivers
from .receive_interface cimport ReceiveInterface
from .receive_memory cimport Scratch
from .task_stepper cimport Stepper
cimport cython

@cython.final
cdef class LoopDelivery:
    cdef public ProtocolReceivers receivers
    cdef readonly Stepper stepper
    cdef bint shared
    cdef readonly Scratch own_memory
    cdef readonly LoopWriter writer
    cdef public object transport
    cdef public object interruption

    cpdef object made(self, protocol, transport)
    cpdef object end(self)
    @cython.locals(receivers=ProtocolReceivers, receiver=ReceiveInterface, memory=Scratch)
    cpdef object get_buffer(self, sizehint)
    @cython.locals(
        receivers=ProtocolReceivers, receiver=ReceiveInterface, memory=Scratch, stepper=Stepper, writer=LoopWriter,
        ready=bint
    )
    cpdef object buffer_updated(self, nbytes)
    cdef object _end_interrupted(self, error)
