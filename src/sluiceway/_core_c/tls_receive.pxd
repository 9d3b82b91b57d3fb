cimport cython

from .receive_interface cimport ReceiveInterface
from .receive_memory cimport Memory, Scratch
from .protocol_receiver cimport ProtocolReceivers
from .receiver cimport Receiver
from .tls_send cimport TLSSender

cdef Py_ssize_t _HEADER, _PLAINTEXT, _MAXIMUM_RECORD, _ROOM, _MAXIMUM_ROOM, _COPY_MAXIMUM, _BATCH
cdef Py_ssize_t _HANDSHAKE_BATCH, _ENDLESS
cdef int _FIRST_TYPE, _LAST_TYPE, _MAJOR

cdef Py_ssize_t _record_size(object data, Py_ssize_t position, Py_ssize_t size) except -1
@cython.locals(kind=int, length=Py_ssize_t)
cdef Py_ssize_t _length_in_header(bytes data, Py_ssize_t position, Py_ssize_t left) except -1

cdef class TLSReceiver(ReceiveInterface):
    cdef public object sslobject
    cdef public object owner
    cdef public bint close_notify_received
    cdef public Py_ssize_t discard_left
    cdef public bint reads_any_length
    cdef TLSSender _sender
    cdef object _read_record
    cdef object _put
    cdef object _take_back
    cdef bytes _header
    cdef Py_ssize_t _length
    cdef Py_ssize_t _missing
    cdef Py_ssize_t _complete
    cdef Py_ssize_t _longest
    cdef bytes _trailing_data
    cdef Py_ssize_t _handshake_size
    cdef bint _decrypting
    cdef ProtocolReceivers _upper
    cdef Scratch _scratch
    cdef object _waiters
    cdef ReceiveInterface _ready

    cdef object _deliver_trailing_data(self)
    @cython.locals(stream=Receiver, room=Py_ssize_t, rest=Py_ssize_t, whole=Py_ssize_t)
    cpdef Py_ssize_t room(self) except -1
    @cython.locals(upper=ProtocolReceivers)
    cdef Receiver _stream(self)
    cpdef Py_ssize_t overhead_size(self) except -1
    @cython.locals(ready=ReceiveInterface, stream=Receiver, sender=TLSSender, was_complete=bint, blocks=list)
    cpdef bint receive(self, object data) except -1
    @cython.locals(upper=ProtocolReceivers, receiver=ReceiveInterface)
    cdef ReceiveInterface _deliver(self, bytes data)
    cpdef object interrupted(self, error)
    @cython.locals(stream=Receiver, size=Py_ssize_t)
    cdef object _discard(self, list blocks)
    @cython.locals(was_complete=bint, ready=bint)
    cdef bint _decrypt_all(self, object data, Receiver stream, list blocks) except -1
    @cython.locals(ready=bint, size=Py_ssize_t, position=Py_ssize_t)
    cdef bint _decrypt(self, object data, Receiver stream, list blocks) except -1
    @cython.locals(end=Py_ssize_t, length=Py_ssize_t)
    cdef Py_ssize_t _collect(self, object data, Py_ssize_t position, Py_ssize_t size) except -1
    @cython.locals(
        size=Py_ssize_t, end=Py_ssize_t, count=Py_ssize_t, longest=Py_ssize_t, length=Py_ssize_t, header=bytes
    )
    cdef Py_ssize_t _collect_short(self, bytes data) except -1
    @cython.locals(room=Py_ssize_t, left=Py_ssize_t, ready=bint)
    cdef bint _read(self, Receiver stream, list blocks) except -1
    @cython.locals(size=Py_ssize_t, position=Py_ssize_t, end=Py_ssize_t)
    cdef object _continue_handshake(self, object data)
