cimport cython

from . cimport weak_reference
from .receive_interface cimport ReceiveInterface, ReceiverProvider
from .receive_memory cimport Memory, Scratch
from .receiver cimport Receiver

cpdef ReceiveInterface receiver_for(protocol, stream_ref)

cdef class ProtocolReceiver(ReceiveInterface):
    cdef object _protocol
    cdef object _stream_ref
    cdef Scratch _scratch

    @cython.locals(receiver=Receiver)
    cpdef Py_ssize_t room(self) except -1

cdef class BufferedProtocolReceiver(ReceiveInterface):
    cdef object _protocol
    cdef Memory _borrowed

    cdef object _return_buffer(self)
    @cython.locals(size=Py_ssize_t)
    cpdef bint feed(self, bytes data) except -1

@cython.final
@cython.freelist(64)
cdef class ProtocolReceivers:
    cdef object _protocol
    cdef object stream_ref
    cdef dict overrides
    cdef ReceiveInterface _called
    cdef bint _intercepted
    cdef object _scratch
    cdef object _waiters

    cpdef object attach(self, scratch, waiters)
    cpdef ReceiveInterface stream(self)
    @cython.locals(stream=ReceiveInterface, called=ReceiveInterface)
    cpdef ReceiveInterface current(self)
